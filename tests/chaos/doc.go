// Package chaos kills conductors and takes the broker away while clusters are made and deleted: nothing may be left over,
// made twice, or stuck.
//
// crash_test cuts a conductor in this process off at each of its writes to the cloud and to the database in turn;
// kill_test ends real processes with SIGKILL among real services.
package chaos
