// Package policy decides who may do what: oslo.policy's rule language over Magnum's rules. An operator overrides single rules
// in policy.yaml and policy.d; a changed file takes effect within a second, a broken one never.
//
// Decisions are those of oslo.policy, with one difference: what oslo.policy logs and then reads as «nobody» (a rule that cannot be
// parsed, a word without a colon) or follows without end (rules that refer to each other in a circle) is refused when the file
// is read, since `not` would turn «nobody» into «everybody».
package policy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config is group [oslo_policy].
type Config struct {
	PolicyFile         string   `opt:"policy_file" default:"policy.yaml" help:"File that overrides single rules, YAML or JSON; a relative name is looked for beside the configuration file. It need not exist"`
	PolicyDirs         []string `opt:"policy_dirs" default:"policy.d" help:"Folders with more such files, *.yaml, *.yml and *.json. They are read in the order of their names, after policy_file; the last one to name a rule wins"`
	DefaultRule        string   `opt:"policy_default_rule" default:"default" help:"Rule that stands in for one that does not exist"`
	EnforceScope       bool     `opt:"enforce_scope" default:"true" help:"Refuse tokens whose scope (project, domain, system) is not one that the rule is meant for"`
	EnforceNewDefaults bool     `opt:"enforce_new_defaults" default:"true" help:"Allow only what the present defaults allow. false: also what those before the reader and member roles did, wherever no file overrides the rule"`

	// Dir is what relative names are relative to: the folder of the configuration file. "" is /etc/jeroboam.
	Dir string
}

// Creds are the facts about the caller that rules can ask for. An empty text is Python's None.
type Creds struct {
	UserID      string
	ProjectID   string
	DomainID    string // of a domain-scoped token
	SystemScope string // "all" for a system-scoped token
	Roles       []string
	IsAdmin     bool // what IsAdmin said; rules ask for it as is_admin:True
}

// Enforcer answers by the rules in force. It may be used by many goroutines.
type Enforcer struct {
	cfg   Config
	log   func(msg string, kv ...any)
	now   func() time.Time
	rules atomic.Pointer[ruleSet]

	nextLook atomic.Int64 // when the files are due for a look, in Unix nanoseconds
	looking  sync.Mutex   // held by the one who looks; guards what follows
	seen     string       // the files that the rules in force were read from, as fingerprint writes them
	lastErr  string       // what is wrong with the files at present, so that it is logged once
}

// New reads the policy files. It fails when one of them is broken; files that do not exist are no error. What an operator should
// know, now and at every later change of the files, goes to log.
func New(cfg Config, log func(msg string, kv ...any)) (*Enforcer, error) {
	return newEnforcer(cfg, log, time.Now)
}

func newEnforcer(cfg Config, log func(msg string, kv ...any), now func() time.Time) (*Enforcer, error) {
	if cfg.Dir == "" {
		cfg.Dir = "/etc/jeroboam"
	}
	e := &Enforcer{cfg: cfg, log: log, now: now}
	if err := e.load(); err != nil {
		return nil, err
	}
	e.nextLook.Store(now().Add(lookEvery).UnixNano())
	return e, nil
}

// Authorize tells whether a rule lets the caller act on the target. The keys of target are what %(key)s in rules refers to; an
// empty value is Python's None. A rule that does not exist is the default rule; without one nobody may.
func (e *Enforcer) Authorize(rule string, creds Creds, target map[string]string) bool {
	e.lookAtFiles()
	s := e.rules.Load()
	if e.cfg.EnforceScope && !inScope(s.scopes[rule], creds) {
		return false
	}
	c := s.find(rule)
	return c != nil && c.eval(&query{rules: s, creds: &creds, target: target})
}

// IsAdmin tells whether the caller is an administrator: rule context_is_admin.
func (e *Enforcer) IsAdmin(creds Creds) bool {
	return e.Authorize("context_is_admin", creds, map[string]string{"user_id": creds.UserID, "project_id": creds.ProjectID})
}

func inScope(scopes []string, c Creds) bool {
	scope := "project"
	switch {
	case c.SystemScope != "":
		scope = "system"
	case c.DomainID != "":
		scope = "domain"
	}
	return len(scopes) == 0 || slices.Contains(scopes, scope)
}
