// Package externalgrpc is the protocol between cluster-autoscaler and cloud providers outside of it. Its Go code is made of
// externalgrpc.proto.
package externalgrpc

//go:generate go run ./generate
