// Package redfish is a BMC for tests: a Redfish service whose systems are virtual machines, so that Ironic's own redfish
// driver powers something real. A machine boots what is in its virtual CD drive, is shown its virtual USB stick as a disk,
// and writes its serial console into a file. It has no network card: what a system tells of one is only its address.
//
// The service knows what sushy and Ironic ask for, and answers 404 to the rest. It listens on loopback, over TLS with an
// authority of its own, and wants a session or basic authentication; what is inserted into a drive it fetches from loopback
// alone.
package redfish
