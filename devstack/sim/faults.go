package sim

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// How the answer of a request that took effect gets lost.
const (
	LoseDrop    = "drop" // the connection is cut
	LoseTimeout = "504"  // the proxy in front of the service gives up
)

// Rule makes something go wrong. Empty fields match everything.
type Rule struct {
	// Service is the catalogue's type (compute) or the project's name (nova).
	Service string `json:"service,omitempty"`
	Method  string `json:"method,omitempty"`
	// PathRegexp is searched for in the path of the request, service prefix included.
	PathRegexp string `json:"path,omitempty"`
	// Name is a regular expression that is searched for in the name of the object that the request makes or is about.
	Name string `json:"name,omitempty"`
	// Nth is the first matching request that the rule acts on, from 1; 0 is 1.
	Nth int `json:"nth,omitempty"`
	// Times is how many matching requests it acts on from there; 0: all.
	Times  int    `json:"times,omitempty"`
	Action Action `json:"action"`
}

// Action is what goes wrong. Several may be combined.
type Action struct {
	// Status answers with an error instead of doing anything. Body is sent as it is; empty: the service's own shape.
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"`
	// Delay is before the request is looked at, in the cloud's time; nanoseconds in JSON.
	Delay time.Duration `json:"delay,omitempty"`
	// Lose does what was asked, and then loses the answer: LoseDrop or LoseTimeout.
	Lose string `json:"lose,omitempty"`
	// Fault lets what the request starts (build, change, delete) end in ERROR, with this message where there is a field
	// for it.
	Fault string `json:"fault,omitempty"`
	// Stuck lets it never end.
	Stuck bool `json:"stuck,omitempty"`
	// Step is what Fault and Stuck are of, where the request starts more than one thing: StepTearDown of an undeploy, which
	// without it are those of the cleaning after it.
	Step string `json:"step,omitempty"`
}

// StepTearDown takes an instance off a bare-metal node. When it is stuck its conductor has died.
const StepTearDown = "tear_down"

type rule struct {
	Rule
	path, name *regexp.Regexp
	seen       int
}

// Inject adds a rule. Of several that match a request, the oldest one that acts wins.
func (c *Cloud) Inject(r Rule) error {
	path, err := regexp.Compile(r.PathRegexp)
	if err != nil {
		return fmt.Errorf("read the path of a rule: %w", err)
	}
	name, err := regexp.Compile(r.Name)
	if err != nil {
		return fmt.Errorf("read the name of a rule: %w", err)
	}
	if r.Action == (Action{}) {
		return errors.New("read a rule: it has no action")
	}
	if l := r.Action.Lose; l != "" && l != LoseDrop && l != LoseTimeout {
		return fmt.Errorf("read a rule: there is no way to lose an answer called %q", l)
	}
	if s := r.Action.Step; s != "" && (s != StepTearDown || !r.Action.Stuck && r.Action.Fault == "") {
		return fmt.Errorf("read a rule: step %q is no step, or nothing goes wrong in it", s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, &rule{Rule: r, path: path, name: name})
	return nil
}

// ClearFaults removes all rules. What they did stays: an object that got stuck is stuck.
func (c *Cloud) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = nil
}

// injected returns what is to go wrong with a request. c.mu is held.
func (c *Cloud) injected(q *call) Action {
	for _, r := range c.rules {
		if !r.matches(q) {
			continue
		}
		r.seen++
		first := max(r.Nth, 1)
		if r.seen >= first && (r.Times == 0 || r.seen < first+r.Times) {
			return r.Action
		}
	}
	return Action{}
}

func (r *rule) matches(q *call) bool {
	return (r.Service == "" || r.Service == q.svc.kind || r.Service == q.svc.name) &&
		(r.Method == "" || strings.EqualFold(r.Method, q.r.Method)) &&
		r.path.MatchString(q.r.URL.Path) &&
		(r.Name == "" || r.name.MatchString(q.objectName()))
}

// objectName is the name of what a request is about: it says it itself, or its path has the id.
func (q *call) objectName() string {
	for _, v := range q.body {
		if name := asDoc(v).str("name"); name != "" {
			return name
		}
	}
	if name := q.body.str("name"); name != "" {
		return name
	}
	for part := range strings.SplitSeq(q.r.URL.Path, "/") {
		if len(part) != 36 {
			continue
		}
		for kind := range q.tables {
			if o := q.get(kind, part); o != nil {
				return o.name()
			}
		}
	}
	return ""
}
