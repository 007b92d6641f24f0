// Package bench has the benchmarks of the running service among real servers: `make bench`. Each figure stands beside
// that of something else from the same run, since the time of a request says as much about the machine as about us.
package bench
