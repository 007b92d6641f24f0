// Package periodic looks after clusters that nobody asks anything of: how healthy they are, whether nodes are to be healed,
// whether the cloud still has what was made, and what the cluster's own schedule says. It never acts by itself: what is to
// be done becomes an operation, which is carried out like any other.
//
// When a cluster is due stands in table watch; any number of conductors may look there, and one takes each. What to do
// about what was seen is decided by pure functions on the cluster's rows, first on a copy that was read without keeping
// anybody out: where they change nothing, which is nearly always, nothing is written.
package periodic
