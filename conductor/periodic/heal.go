package periodic

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// patient is a node that is not well.
type patient struct {
	name string
	away time.Duration // since it was seen well
	gone bool          // its host is not there any more: nothing can make it come back by itself
}

// ward is a node group, as far as healing goes.
type ward struct {
	controlPlane bool
	enabled      bool     // by its label; otherwise only hosts that are gone are made anew
	busy         ops.Kind // what runs on it
	size         int
	healed       int // nodes within the last hour
	patients     []patient
}

// circumstances are the same for all groups of a cluster.
type circumstances struct {
	reached bool // the Kubernetes API answers
	open    bool // the maintenance window, if there is one
}

// rules are the configured brakes.
type rules struct {
	after   time.Duration
	share   int // percent
	perHour int
}

// treatment is what was decided about a group: which nodes are healed, and the decision in words. Words are "" when there is
// nothing to decide; they change only when the decision does.
type treatment struct {
	heal  []string
	words string
}

// treat decides which nodes of a group are healed now. The brakes come first: healing what is not understood makes it worse.
func treat(w ward, c circumstances, r rules) treatment {
	ill := slices.DeleteFunc(slices.Clone(w.patients), func(p patient) bool { return !p.gone && (!w.enabled || p.away < r.after) })
	if len(ill) == 0 {
		return treatment{}
	}
	slices.SortStableFunc(ill, func(a, b patient) int { return cmp.Compare(b.away, a.away) })
	all := make([]string, 0, len(ill))
	for _, p := range ill {
		all = append(all, p.name)
	}
	held := func(format string, args ...any) treatment {
		return treatment{words: fmt.Sprintf("%s: not healed now: %s", names(all), fmt.Sprintf(format, args...))}
	}
	limit := max(w.size*r.share/100, 1)
	if w.controlPlane {
		limit = 1
	}
	switch {
	case w.busy != "":
		return held("operation %s is under way", w.busy)
	case !c.reached:
		return held("the Kubernetes API does not answer, so it may be anything")
	case !c.open:
		return held("the maintenance window is closed")
	case w.controlPlane && w.size-len(w.patients) < w.size/2+1:
		return held("%d of %d control planes are well, and etcd needs %d", w.size-len(w.patients), w.size, w.size/2+1)
	case w.healed >= r.perHour:
		return held("%d nodes of the group were healed within an hour", w.healed)
	}
	heal := all[:min(len(all), limit, r.perHour-w.healed)]
	return treatment{heal: heal, words: names(heal) + ": to be healed" + rest(all[len(heal):])}
}

func rest(wait []string) string {
	if len(wait) == 0 {
		return ""
	}
	return "; " + names(wait) + ": afterwards, so that enough of the group stay"
}
