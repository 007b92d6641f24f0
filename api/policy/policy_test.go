package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// bench is an Enforcer in a folder of its own with a clock that the test moves.
type bench struct {
	*Enforcer
	dir  string
	now  time.Time
	logs []string
}

func newBench(t testing.TB, files map[string]string) (*bench, error) {
	t.Helper()
	b := &bench{dir: t.TempDir(), now: time.Unix(1e9, 0)}
	for name, content := range files {
		write(t, filepath.Join(b.dir, name), content)
	}
	cfg := Config{PolicyFile: "policy.yaml", PolicyDirs: []string{"policy.d"}, DefaultRule: "default", EnforceScope: true, EnforceNewDefaults: true, Dir: b.dir}
	e, err := newEnforcer(cfg, func(msg string, kv ...any) { b.logs = append(b.logs, fmt.Sprint(append([]any{msg}, kv...)...)) }, func() time.Time { return b.now })
	b.Enforcer = e
	return b, err
}

func TestBrokenFilesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"no YAML", "a: [", "yaml"},
		{"a list", "- a", "unmarshal"},
		{"a name twice", "a: role:x\na: role:y", "already defined"},
		{"null", "a:", "not <nil>"},
		{"null in JSON", `{"a": null}`, "not <nil>"},
		{"an exclamation mark that is YAML's", "a: !", `rule "a"`},
		{"a number", "a: 1", "not int"},
		{"an object", "a: {}", "not map"},
		{"a list with a number", `{"a": [1]}`, "not float64"},
		{"a word", "a: admin", `"admin" is no check`},
		{"a negated word", "a: not admin", `"admin" is no check`},
		{"incomplete", "a: role:x and", "not complete"},
		{"blank", "a: ' '", "not complete"},
		{"another server", "a: http://127.0.0.1/allow", "not supported"},
		{"another server, over TLS", "a: [['https://127.0.0.1/allow']]", "not supported"},
		{"a format that is not known", `a: "user_id:%(user_id)d"`, "% is to be followed"},
		{"a percent sign at the end", `a: "user_id:%"`, "% is to be followed"},
		{"a left side that is neither", `a: "1x:y"`, "neither a name nor a constant"},
		{"a constant with an escape", `a: "'\\x41':y"`, "neither a name nor a constant"},
		{"itself", "a: rule:a", "a -> a"},
		{"a circle", "a: not rule:b\nb: role:x or rule:c\nc: rule:a", "a -> b -> c -> a"},
		{"a circle through a default", "is_user: rule:admin_or_project_member_user", "admin_or_project_member_user -> is_user -> admin_or_project_member_user"},
		{"a circle through the default rule", "default: rule:no_such", "default -> default"},
		{"deep", "a: " + strings.Repeat("(", 1e5) + "role:x" + strings.Repeat(")", 1e5), "nests deeper"},
		{"deep negation", "a: " + strings.Repeat("not ", 1e5) + "role:x", "nests deeper"},
		{"large", "# " + strings.Repeat("x", maxFileSize), "larger than"},
		{"two at once", "a: x\nb: y", `rule "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newBench(t, map[string]string{"policy.yaml": c.file})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestDoubtsAreLogged(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // "" for nothing
	}{
		{"no file", nil, ""},
		{"empty file", map[string]string{"policy.yaml": ""}, ""},
		{"an unknown rule", map[string]string{"policy.yaml": "cluster:crate: role:x"}, `"cluster:crate" is ignored`},
		{"JSON with tabs", map[string]string{"policy.yaml": "{\n\t\"cluster:get\": \"role:x\"\n}"}, ""},
		{"a helper", map[string]string{"policy.yaml": "ours: role:x\ncluster:get: rule:ours\ndefault: '!'"}, ""},
		{"a reference to nothing", map[string]string{"policy.yaml": "cluster:get: rule:ours"}, `refers to rule "ours"`},
		{"a credential that nobody has", map[string]string{"policy.yaml": "cluster:get: tenant:x"}, `asks for "tenant"`},
		{"a file of another name", map[string]string{"policy.d/a.yaml~": "cluster:crate: role:x"}, `"cluster:crate" is ignored`},
		{"a hidden file", map[string]string{"policy.d/.a.swp": "x"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := newBench(t, c.files)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(b.logs, "\n"); (c.want == "") != (got == "") || !strings.Contains(got, c.want) || len(b.logs) > 1 {
				t.Errorf("logged %q, want %q", got, c.want)
			}
		})
	}
}

func TestChangedFilesTakeEffect(t *testing.T) {
	b, err := newBench(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	boss := Creds{UserID: "u", ProjectID: "p", Roles: []string{"boss"}}
	file, extra := filepath.Join(b.dir, "policy.yaml"), filepath.Join(b.dir, "policy.d", "a.yaml")
	for _, step := range []struct {
		name   string
		change func()
		wait   time.Duration
		allow  bool
		logs   int // lines added
	}{
		{"defaults", func() {}, time.Second, false, 0},
		{"a file appears, too soon", func() { write(t, file, "stats:get_all: role:boss") }, lookEvery / 2, false, 0},
		{"a second is over", func() {}, lookEvery / 2, true, 1},
		{"nothing changes", func() {}, lookEvery, true, 0},
		{"the file breaks", func() { write(t, file, "stats:get_all: [") }, lookEvery, true, 1},
		{"it is still broken", func() {}, lookEvery, true, 0},
		{"it is mended", func() { write(t, file, "stats:get_all: role:boss or role:admin") }, lookEvery, true, 1},
		{"another one overrides it", func() { write(t, extra, "stats:get_all: '!'") }, lookEvery, false, 1},
		{"that one goes", func() { remove(t, extra) }, lookEvery, true, 1},
		{"it is a folder", func() { remove(t, file); write(t, filepath.Join(file, "x"), "") }, lookEvery, true, 1},
		{"the file is of old", func() {
			remove(t, file)
			write(t, filepath.Join(b.dir, "policy.json"), `{"stats:get_all": "role:boss"}`)
		}, lookEvery, true, 1},
		{"all are gone", func() { remove(t, filepath.Join(b.dir, "policy.json")) }, lookEvery, false, 1},
	} {
		step.change()
		b.now = b.now.Add(step.wait)
		before := len(b.logs)
		if got := b.Authorize("stats:get_all", boss, nil); got != step.allow {
			t.Fatalf("%s: allowed is %v", step.name, got)
		}
		if got := b.logs[before:]; len(got) != step.logs {
			t.Fatalf("%s: logged %q", step.name, got)
		}
	}
}

func TestAChangeOfEqualSizeIsSeen(t *testing.T) {
	b, err := newBench(t, map[string]string{"policy.yaml": "stats:get_all: '!'"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "policy.yaml")
	write(t, file, "stats:get_all: '@'")
	if err := os.Chtimes(file, b.now, b.now); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(lookEvery)
	if !b.Authorize("stats:get_all", Creds{ProjectID: "p"}, nil) {
		t.Error("the old rule is still in force")
	}
}

// Whoever asks while the files change gets an answer by the old rules or the new ones.
func TestManyAskWhileFilesChange(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	write(t, file, "stats:get_all: '@'")
	var tick atomic.Int64
	e, err := newEnforcer(Config{PolicyFile: "policy.yaml", DefaultRule: "default", Dir: dir}, func(string, ...any) {}, func() time.Time { return time.Unix(tick.Add(1), 0) })
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if !e.Authorize("stats:get_all", Creds{}, nil) {
					t.Error("denied")
				}
			}
		})
	}
	for i := range 20 {
		text := []string{"stats:get_all: '@'", "stats:get_all: ''", "broken: ["}[i%3]
		other := filepath.Join(dir, "new")
		write(t, other, text+"\n"+strings.Repeat("#", i))
		if err := os.Rename(other, file); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func TestIsAdmin(t *testing.T) {
	for _, c := range []struct {
		name, file string
		creds      Creds
		want       bool
	}{
		{"by role", "", Creds{Roles: []string{"ADMIN"}}, true},
		{"not by role", "", Creds{Roles: []string{"member", "admins"}}, false},
		{"not by saying so", "", Creds{IsAdmin: true}, false},
		{"system scope", "", Creds{Roles: []string{"admin"}, SystemScope: "all"}, true},
		{"by an operator's rule", "context_is_admin: project_id:ops and project_id:%(project_id)s", Creds{ProjectID: "ops"}, true},
		{"no more by role", "context_is_admin: project_id:ops", Creds{Roles: []string{"admin"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := newBench(t, map[string]string{"policy.yaml": c.file})
			if err != nil {
				t.Fatal(err)
			}
			if got := b.IsAdmin(c.creds); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRulesHaveHelpAndOperations(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		seen[r.Name] = true
		if r.Help == "" || strings.HasSuffix(r.Help, ".") {
			t.Errorf("%s: help %q", r.Name, r.Help)
		}
		if api := strings.Contains(r.Name, ":"); api != (len(r.Operations) > 0) {
			t.Errorf("%s: operations %q", r.Name, r.Operations)
		}
	}
	if len(seen) != 72 {
		t.Errorf("%d rules", len(seen))
	}
}

func TestSampleIsTheDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b); err != nil {
		t.Fatal(err)
	}
	var asIs map[string]any
	if err := yaml.Unmarshal(b.Bytes(), &asIs); err != nil || len(asIs) != 0 {
		t.Errorf("as it is the sample sets %v, error %v", asIs, err)
	}
	uncommented := strings.ReplaceAll(b.String(), "\n#\"", "\n\"")
	var got map[string]string
	if err := yaml.Unmarshal([]byte(uncommented), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, r := range Rules() {
		want[r.Name] = r.Check
	}
	if !maps.Equal(got, want) {
		t.Errorf("the sample's rules are not the defaults: %v", got)
	}
	pr, pw := io.Pipe()
	if err := pr.CloseWithError(errors.New("full")); err != nil {
		t.Fatal(err)
	}
	if err := WriteSample(pw); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("writing to a full disk: %v", err)
	}
}

func TestParserNeverPanics(t *testing.T) {
	words := rapid.SampledFrom([]string{"and", "or", "not", "(", ")", "@", "!", "role:a", "rule:b", "rule:c", "'x':%(a)s", "x", "%", ":", "((", "))", "'", "True:%(", "\x00"})
	rapid.Check(t, func(t *rapid.T) {
		doc := map[string]any{}
		for _, name := range []string{"a", "b", "c", "default"} {
			doc[name] = strings.Join(rapid.SliceOfN(words, 0, 12).Draw(t, name), rapid.SampledFrom([]string{" ", ""}).Draw(t, "glue"))
		}
		raw, err := yaml.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		checkAny(t, raw)
	})
}

func BenchmarkAuthorize(b *testing.B) {
	e, err := newBench(b, nil)
	if err != nil {
		b.Fatal(err)
	}
	creds := Creds{UserID: "u", ProjectID: "p", Roles: []string{"reader", "member"}}
	target := map[string]string{"project_id": "p", "user_id": "u"}
	for b.Loop() {
		if !e.Authorize("cluster:create", creds, target) {
			b.Fatal("denied")
		}
	}
}
