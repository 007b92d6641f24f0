package drivers

// Drift is one difference between what the ledger holds and what the cloud has.
type Drift struct {
	Kind, Name string
	Node       string // the host that it belongs to, "" for the cluster's own
	Gone       bool   // the object itself is not there any more; otherwise something of it
	What       string // in words: «is gone», «has lost 2 rules»
}

// String is for users.
func (d Drift) String() string { return d.Kind + " " + d.Name + " " + d.What }
