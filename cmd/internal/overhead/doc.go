// Package overhead measures what it costs to run on a kind of node: the same work, done on a node of each group of a cluster
// as a Kubernetes Job, in shares of what bare metal does. The work is in here, too: it is small, needs nothing beside the
// program that has it, and each sample of it is checked, so that what is timed was done.
package overhead
