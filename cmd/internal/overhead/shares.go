package overhead

// Row is what one kind of work came to on a node of one group.
type Row struct {
	Group, Node, Runtime string
	Metal                bool
	Figure
	// Err says why there is no figure.
	Err error
	// Share of what the reference does with the same work: 1 is as fast. 0: there is none to compare with.
	Share float64
	// Reference: it is what the others are compared with.
	Reference bool
}

// Quoted is the share of bare metal's speed that is often quoted for virtual machines: an overhead of about 4 %.
const Quoted = 0.96

// QuotedMeaning says what that figure is, and what it is not.
const QuotedMeaning = "The often quoted overhead of about 4 % is of CPU-bound work in virtual machines with pinned CPUs, large pages and the host's NUMA\n" +
	"topology (extra specs hw:cpu_policy=dedicated, hw:mem_page_size, hw:numa_nodes). It says nothing of memory, disk and network."

// QuotedFor tells whether that figure is about a row.
func (r Row) QuotedFor() bool { return r.Work == "cpu" && !r.Metal }

// share compares each kind of work with what bare metal does; where there is none, with the best.
func share(rows []Row) {
	best := map[string]int{}
	for i, r := range rows {
		if r.Err != nil || r.Median() == 0 {
			continue
		}
		j, found := best[r.Work]
		if !found || r.Metal && !rows[j].Metal || r.Metal == rows[j].Metal && r.Median() > rows[j].Median() {
			best[r.Work] = i
		}
	}
	for i := range rows {
		j, found := best[rows[i].Work]
		if !found || rows[i].Err != nil {
			continue
		}
		rows[i].Share, rows[i].Reference = rows[i].Median()/rows[j].Median(), i == j
	}
}
