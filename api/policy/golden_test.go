package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden file; the decisions are taken from the real oslo.policy")

const goldenFile = "testdata/decisions.golden.json"

// Who asks. The names do not matter; the differences do.
func goldenCreds() []Creds {
	return []Creds{
		{UserID: "u1", ProjectID: "p1", Roles: []string{"member", "reader"}},
		{UserID: "u1", ProjectID: "p1", Roles: []string{"reader"}},
		{UserID: "u2", ProjectID: "p1", Roles: []string{"Member", "READER"}},
		{UserID: "u3", ProjectID: "p2", Roles: []string{"member", "reader"}},
		{UserID: "u1", ProjectID: "p1"},
		{UserID: "u9", ProjectID: "p9", Roles: []string{"admin", "member", "reader"}, IsAdmin: true},
		{UserID: "u9", ProjectID: "p1", Roles: []string{"Admin"}},
		{UserID: "u9", SystemScope: "all", Roles: []string{"admin"}, IsAdmin: true},
		{UserID: "u1", DomainID: "d1", Roles: []string{"member", "reader", "two words"}},
		{UserID: "None", ProjectID: "True", Roles: []string{"p1", "None"}},
	}
}

func goldenTargets() []map[string]string {
	return []map[string]string{
		{"user_id": "u1", "project_id": "p1", "name": "member"},
		{"user_id": "u2", "project_id": "p1", "name": "100%"},
		{"user_id": "u3", "project_id": "p2", "name": "True"},
		{"user_id": "", "project_id": ""},
		{},
	}
}

type goldenCase struct {
	Name        string            `json:"name"`
	Files       map[string]string `json:"files"`
	Scope       bool              `json:"enforce_scope"`
	NewDefaults bool              `json:"enforce_new_defaults"`
	Ask         []string          `json:"ask"`
}

func goldenCases() []goldenCase {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	all := append(names, "no:such_rule")
	overrides := map[string]string{
		"policy.yaml":       "cluster:create: role:admin\ncluster:get: '!'\nadmin_or_project_reader: \"role:reader\"\ndefault: user_id:u1\n",
		"policy.d/20.yaml":  "cluster:get: '@'\nhelper: role:member and not role:admin\n",
		"policy.d/10.json":  `{"cluster:get": "role:none", "stats:get_all": [["role:admin"], ["role:member", "project_id:%(project_id)s"]], "cluster:delete": "rule:helper"}`,
		"policy.d/.30.yaml": "cluster:get: '!'\n",
		// any name will do, backups of editors included; folders are not looked into
		"policy.d/30":          "cluster:detail: role:reader and user_id:u1\n",
		"policy.d/20.yaml~":    "cluster:get: role:member\ncluster:update: role:reader\n",
		"policy.d/40/x.yaml":   "cluster:detail: '!'\n",
		"policy.d/README.json": `{"cluster:resize": "!"}`,
	}
	return []goldenCase{
		{Name: "defaults", Scope: true, NewDefaults: true, Ask: all},
		{Name: "defaults, no scope", NewDefaults: true, Ask: all},
		{Name: "deprecated defaults too", Scope: true, Ask: all},
		{Name: "deprecated defaults too, no scope", Ask: all},
		{Name: "overrides", Files: overrides, Scope: true, NewDefaults: true, Ask: all},
		{Name: "overrides, deprecated defaults too", Files: overrides, Scope: true, Ask: all},
		{Name: "deprecated names", Files: deprecatedNames(), Scope: true, NewDefaults: true, Ask: all},
		{Name: "deprecated names and defaults", Files: deprecatedNames(), Ask: all},
		{Name: "a deprecated name for the new one", Files: map[string]string{"policy.yaml": `"rule:admin_or_user": rule:admin_or_project_reader_user`}, Ask: all},
		language(),
		random(),
	}
}

// deprecatedNames override the defaults of old by Magnum's names for them, and one of the rules by its own.
func deprecatedNames() map[string]string {
	return map[string]string{"policy.yaml": `{"rule:admin_or_owner": "role:reader and not rule:is_user", "admin_or_project_reader": "role:admin"}`,
		"policy.d/1.yaml": `{"rule:admin_or_user": "rule:deny_cluster_user and rule:user_or_cluster_user"}`}
}

// language is every feature of the rule language by itself.
func language() goldenCase {
	rules := map[string]any{}
	for i, r := range []any{
		"", "@", "!", "role:member", "role:MEMBER", "role:%(name)s", "not role:member", "NOT role:member", "not not role:member",
		"role:member and role:reader", "role:admin OR role:reader", "role:admin or role:member and user_id:u1", "role:member and user_id:u1 or role:admin",
		"(role:admin or role:member) and user_id:u1", "((role:admin))", "not (role:admin or role:member)", "not role:admin and role:reader",
		"role:reader and not role:member", "role:admin or not role:member and role:reader", "( role:admin or role:reader )and user_id:u1",
		"user_id:%(user_id)s", "project_id:%(project_id)s and user_id:%(user_id)s", "user_id:%(missing)s", "not user_id:%(missing)s",
		"user_id:u%(name)s", "project_id:p1", "project_id:None", "None:%(project_id)s", "domain_id:d1", "domain_id:None", "system_scope:all", "system:all",
		"not system:all", "is_admin:True", "is_admin:False", "is_admin:%(name)s", "True:%(name)s", "'member':%(name)s", `"member":%(name)s`, "100:100", "100:%(name)s",
		"'100%%':%(name)s", "'100%':100%%", "'100%':%(name)s", "roles:member", "roles:Member", "roles:%(name)s", "no_such:x", "not no_such:x", "user.id:u1",
		"rule:project_member", "rule:project_member or rule:context_is_admin", "rule:no_such", "not rule:no_such", "rule:Project_Member",
		"role:two words", "'a':'b", "role:a:b", "user_id::", "role:", "True:True and (False:False)",
		[]any{}, []any{[]any{}}, []any{"role:member"}, []any{[]any{"role:member", "user_id:u1"}, "role:admin"}, []any{[]any{"role:two words"}}, []any{"@", []any{"!"}},
		[]any{[]any{}, "role:admin"}, []any{[]any{"@"}, []any{"role:none"}},
		// what oslo.policy cannot parse, and so denies
		" ", "role:member role:reader", "(role:member", "role:member)", "and role:member", "role:member or", "not", "()", "'member'", "'a':'a'", "or", "role:member and or role:reader",
	} {
		rules[fmt.Sprintf("%03d", i)] = r
	}
	return ruleCase("language", rules)
}

// random are rules that a generator with a fixed seed has written.
func random() goldenCase {
	r := rand.New(rand.NewPCG(1, 2))
	rules := map[string]any{}
	for i := range 300 {
		rules[fmt.Sprintf("%03d", i)] = expression(r, 4)
	}
	return ruleCase("random", rules)
}

func expression(r *rand.Rand, depth int) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	if depth == 0 || r.IntN(5) == 0 {
		return pick("role:member", "role:reader", "role:admin", "user_id:%(user_id)s", "project_id:%(project_id)s", "is_admin:True", "rule:is_user", "'member':%(name)s", "@", "!", "rule:context_is_admin")
	}
	switch r.IntN(4) {
	case 0:
		return pick("not ", "NOT ", "not  ") + "(" + expression(r, depth-1) + ")"
	case 1:
		return pick("(", "( ") + expression(r, depth-1) + pick(")", " )")
	case 2:
		return expression(r, depth-1) + pick(" and ", " AND ", "\tand\n") + expression(r, depth-1)
	}
	return expression(r, depth-1) + pick(" or ", " Or ") + expression(r, depth-1)
}

func ruleCase(name string, rules map[string]any) goldenCase {
	raw, err := json.Marshal(rules)
	if err != nil {
		panic(err)
	}
	c := goldenCase{Name: name, Files: map[string]string{"policy.yaml": string(raw)}, NewDefaults: true}
	for i := range len(rules) {
		c.Ask = append(c.Ask, fmt.Sprintf("%03d", i))
	}
	return c
}

func TestDecisionsAreThoseOfOsloPolicy(t *testing.T) {
	cases := goldenCases()
	if *update {
		write(t, goldenFile, theirs(t, cases))
	}
	var golden map[string]map[string]string
	if err := json.Unmarshal(readGolden(t), &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) != len(cases) {
		t.Errorf("%s has %d cases, the table %d: run with -update", goldenFile, len(golden), len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := map[string]string{}
			e := goldenEnforcer(t, c)
			for _, rule := range c.Ask {
				got[rule] = answers(e, rule)
			}
			want := golden[c.Name]
			for rule, a := range want { // what oslo.policy stumbles over grants nothing
				want[rule] = strings.ReplaceAll(a, "x", "0")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("oslo.policy decides otherwise (-oslo +ours; %d creds × %d targets):\n%s", len(goldenCreds()), len(goldenTargets()), diff)
			}
		})
	}
}

// goldenEnforcer leaves out of the case's main file the rules that we refuse: they must be those that oslo.policy denies.
func goldenEnforcer(t *testing.T, c goldenCase) *Enforcer {
	t.Helper()
	dir := t.TempDir()
	for name, content := range c.Files {
		write(t, filepath.Join(dir, name), content)
	}
	if c.Name == "language" {
		var rules map[string]any
		if err := json.Unmarshal([]byte(c.Files["policy.yaml"]), &rules); err != nil {
			t.Fatal(err)
		}
		for name, rule := range rules {
			if _, err := parseRule(rule); err != nil {
				t.Logf("refused: %q: %v", rule, err)
				rules[name] = "!"
			}
		}
		raw, err := json.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "policy.yaml"), string(raw))
	}
	cfg := Config{PolicyFile: "policy.yaml", PolicyDirs: []string{"policy.d"}, DefaultRule: "default", EnforceScope: c.Scope, EnforceNewDefaults: c.NewDefaults, Dir: dir}
	e, err := New(cfg, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func answers(e *Enforcer, rule string) string {
	var b strings.Builder
	for _, c := range goldenCreds() {
		for _, target := range goldenTargets() {
			if e.Authorize(rule, c, target) {
				b.WriteByte('1')
			} else {
				b.WriteByte('0')
			}
		}
	}
	return b.String()
}

func readGolden(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestGoldenFileIsOsloPolicys holds the golden file to the real oslo.policy.
func TestGoldenFileIsOsloPolicys(t *testing.T) {
	if out, err := exec.Command("/usr/bin/python3", "-c", "import oslo_policy.policy").CombinedOutput(); err != nil {
		testenv.Lacks(t, fmt.Sprintf("python3-oslo.policy is not installed: %v: %s", err, out))
	}
	if diff := cmp.Diff(string(readGolden(t)), theirs(t, goldenCases())); diff != "" {
		t.Errorf("golden file (-), oslo.policy (+):\n%s", diff)
	}
}

// theirs are the answers of the real oslo.policy.
func theirs(t *testing.T, cases []goldenCase) string {
	t.Helper()
	type rule struct {
		Name           string   `json:"name"`
		Check          string   `json:"check"`
		Deprecated     string   `json:"deprecated"`
		DeprecatedName string   `json:"deprecated_name"`
		Scope          []string `json:"scope"`
	}
	var input struct {
		Rules   []rule              `json:"rules"`
		Creds   []map[string]any    `json:"creds"`
		Targets []map[string]string `json:"targets"`
		Cases   []goldenCase        `json:"cases"`
	}
	for _, r := range Rules() {
		input.Rules = append(input.Rules, rule{r.Name, r.Check, r.Deprecated, r.deprecatedName(), r.Scope})
	}
	for _, c := range goldenCreds() {
		input.Creds = append(input.Creds, map[string]any{"user_id": c.UserID, "project_id": c.ProjectID, "domain_id": c.DomainID,
			"system_scope": c.SystemScope, "roles": append([]string{}, c.Roles...), "is_admin": c.IsAdmin})
	}
	input.Targets = goldenTargets()
	for _, c := range cases {
		if c.Files == nil {
			c.Files = map[string]string{}
		}
		input.Cases = append(input.Cases, c)
	}
	raw, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/decisions.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask oslo.policy (apt-get install python3-oslo.policy): %v", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", " "); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n"
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
