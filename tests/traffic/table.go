package traffic

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

var (
	id    = regexp.MustCompile(`[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}`)
	value = regexp.MustCompile(`=[^&]*`)
)

// shape is a call without what makes it one of many.
func (c Call) shape() string {
	path, query, has := strings.Cut(c.Path, "?")
	path = id.ReplaceAllString(path, "ID")
	if has {
		path += "?" + value.ReplaceAllString(query, "")
	}
	return path
}

// Table counts the calls of each shape, service by service.
func Table(calls []Call) string {
	type row struct{ service, method, shape string }
	count, total := map[row]int{}, map[string]int{}
	for _, c := range calls {
		count[row{c.Service, c.Method, c.shape()}]++
		total[c.Service]++
	}
	rows := slices.SortedFunc(maps.Keys(count), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.method, b.method), cmp.Compare(a.shape, b.shape))
	})
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	last := ""
	for _, r := range rows {
		if r.service != last {
			fmt.Fprintf(w, "%s\t\t%d\n", r.service, total[r.service])
			last = r.service
		}
		fmt.Fprintf(w, "  %s\t%s\t%d\n", r.method, r.shape, count[r])
	}
	fmt.Fprintf(w, "all\t\t%d\n", len(calls))
	_ = w.Flush() // into memory
	return out.String()
}

// looks are those at something that the cloud is building: they may be taken again, after a while.
var looks = regexp.MustCompile(`/(servers/detail\?tags=[^&]*|lbaas/loadbalancers/ID|lbaas/pools/ID|lbaas/pools/ID/members)$`)

// Repeated tells which calls were made again without need, and how soon: everything is asked for once, but for looks,
// between which the program pauses.
func Repeated(calls []Call, pause time.Duration) []string {
	type same struct {
		service, method, path string
		body                  [sha256.Size]byte
	}
	last := map[same]time.Time{}
	type repeat struct {
		times   int
		soonest time.Duration
	}
	again := map[string]repeat{}
	for _, c := range calls {
		key := same{c.Service, c.Method, c.Path, c.body}
		before, seen := last[key]
		last[key] = c.At
		look := c.Method == http.MethodGet && looks.MatchString(id.ReplaceAllString(c.Path, "ID"))
		if after := c.At.Sub(before); seen && (!look || after < pause) {
			what := fmt.Sprintf("%s %s %s", c.Service, c.Method, c.Path)
			r, known := again[what]
			if !known || after < r.soonest {
				r.soonest = after
			}
			again[what] = repeat{r.times + 1, r.soonest}
		}
	}
	var out []string
	for what, r := range again {
		out = append(out, fmt.Sprintf("%s, %d times more, once after %s", what, r.times, r.soonest.Round(time.Millisecond)))
	}
	slices.Sort(out)
	return out
}

// Changes are the calls that changed something.
func Changes(calls []Call) []Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.Method == http.MethodGet || c.Status >= http.StatusBadRequest })
}
