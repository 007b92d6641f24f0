package oslo

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite golden files; the values are taken from the real oslo.config")

const goldenFile = "testdata/oslo_values.golden.json"

// The options that the cases are about. Pointers, since oslo.config has None
// for an option that nobody set.
type goldenDefault struct {
	Text     *string        `opt:"text"`
	Host     string         `opt:"host" default:"h0"`
	State    string         `opt:"state" default:"/var/lib/x"`
	Dir      string         `opt:"dir" default:"$state/dir"`
	Number   *int           `opt:"number" default:"5" min:"-10" max:"100"`
	Big      *int64         `opt:"big"`
	Float    *float64       `opt:"float" min:"0.5"`
	Flag     *bool          `opt:"flag"`
	List     []string       `opt:"list"`
	Quoted   []string       `opt:"quoted" quotes:"true" default:"x,'y,z'"`
	Multi    []string       `opt:"multi" multi:"true" deprecated:"old_multi,old.multi"`
	Choice   *string        `opt:"choice" choices:"red,green"`
	Interval *time.Duration `opt:"seconds" default:"60" min:"1"`
	Renamed  *string        `opt:"renamed" deprecated:"legacy,old.renamed"`
}

type goldenAPI struct {
	Host  string  `opt:"host" default:"api-h"`
	Text  *string `opt:"text"`
	Port  *int    `opt:"port" default:"$number"`
	URL   string  `opt:"url" default:"http://$host:${port}/"`
	Moved *string `opt:"moved" deprecated:"DEFAULT.moved"`
}

func goldenGroups() []Group {
	return []Group{{Name: "DEFAULT", Target: &goldenDefault{}}, {Name: "api", Target: &goldenAPI{}}}
}

type goldenCase struct {
	name    string
	files   []string          // contents, named in this order
	dir     map[string]string // contents of a --config-dir, named last
	environ []string
}

// sources writes the files of a case.
func (c goldenCase) sources(t *testing.T) Sources {
	t.Helper()
	folder := t.TempDir()
	s := Sources{Environ: c.environ}
	for i, content := range c.files {
		name := filepath.Join(folder, fmt.Sprintf("%d.conf", i))
		write(t, name, content)
		s.AddFile(name)
	}
	if c.dir != nil {
		dir := filepath.Join(folder, "conf.d")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range c.dir {
			write(t, filepath.Join(dir, name), content)
		}
		s.AddDir(dir)
	}
	return s
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ours evaluates a case in the form that oslo_values.py prints.
func ours(t *testing.T, s Sources) any {
	t.Helper()
	l, err := newLoader(s, goldenGroups())
	if err != nil {
		t.Fatal(err)
	}
	if l.broken {
		return "error"
	}
	values := map[string]any{}
	for _, d := range l.decls {
		for _, o := range d.options {
			r := l.resolve(o)
			value := r.value
			if seconds, ok := value.(time.Duration); ok {
				value = seconds.Seconds()
			}
			if list, ok := value.([]string); ok && list == nil {
				value = nil
			}
			if r.failed {
				value = map[string]any{"error": true}
			}
			values[o.key.String()] = value
		}
	}
	return plain(t, values)
}

// plain sends a value through JSON, so that only JSON's types are left.
func plain(t *testing.T, value any) (out any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// theirs evaluates cases with the real oslo.config, in one process.
func theirs(t *testing.T, sources map[string]Sources) map[string]any {
	t.Helper()
	type pycase struct {
		Name    string            `json:"name"`
		Args    []string          `json:"args"`
		Environ map[string]string `json:"environ"`
	}
	var cases []pycase
	for name, s := range sources {
		c := pycase{Name: name, Args: []string{}, Environ: s.environ()}
		for _, p := range s.paths {
			option := "--config-file"
			if p.dir {
				option = "--config-dir"
			}
			c.Args = append(c.Args, option, p.name)
		}
		cases = append(cases, c)
	}
	input, err := json.Marshal(map[string]any{"options": schema(t), "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/oslo_values.py")
	cmd.Env = append(os.Environ(), "PYTHONUTF8=1", "PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("run oslo.config: %v\n%s", err, stderr.String())
	}
	var values map[string]any
	if err := json.Unmarshal(output, &values); err != nil {
		t.Fatalf("oslo.config printed no JSON: %v", err)
	}
	return values
}

// schema describes the options to oslo_values.py.
func schema(t *testing.T) (options []map[string]any) {
	t.Helper()
	decls, err := declare(goldenGroups())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[kind]string{kindString: "string", kindInt: "int", kindFloat: "float", kindBool: "bool",
		kindDuration: "int", kindList: "list", kindMulti: "multi"}
	for _, d := range decls {
		for _, o := range d.options {
			var def any
			if o.hasDefault {
				def = o.def
			}
			deprecated := []map[string]string{}
			for _, k := range o.deprecated {
				deprecated = append(deprecated, map[string]string{"group": k.group, "name": k.name})
			}
			options = append(options, map[string]any{
				"group": o.group, "name": o.name, "kind": kinds[o.kind], "default": def, "quotes": o.quotes,
				"choices": o.choices, "min": o.min, "max": o.max, "deprecated": deprecated,
			})
		}
	}
	return options
}

// needOslo ends the test where the real oslo.config is missing: by failure
// where the machine is meant to have it.
func needOslo(t *testing.T) {
	t.Helper()
	out, err := exec.Command("/usr/bin/python3", "-c", "import oslo_config.cfg").CombinedOutput()
	if err == nil {
		return
	}
	testenv.Lacks(t, fmt.Sprintf("python3-oslo.config is not installed: %v: %s", err, out))
}

func TestGolden(t *testing.T) {
	if *update {
		t.Skip("-update rewrites the golden file in TestRealOslo")
	}
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) != len(goldenCases) {
		t.Errorf("%s has %d cases, the table %d: run with -update", goldenFile, len(golden), len(goldenCases))
	}
	for _, c := range goldenCases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(golden[c.name], ours(t, c.sources(t))); diff != "" {
				t.Errorf("oslo.config's values (-), ours (+):\n%s", diff)
			}
		})
	}
}

// TestRealOslo holds the golden file to the real oslo.config.
func TestRealOslo(t *testing.T) {
	needOslo(t)
	sources := map[string]Sources{}
	for _, c := range goldenCases {
		sources[c.name] = c.sources(t)
	}
	real := theirs(t, sources)
	if *update {
		write(t, goldenFile, caseLines(t, real))
		return
	}
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, real); diff != "" {
		t.Errorf("golden file (-), oslo.config (+):\n%s", diff)
	}
}

// caseLines writes a JSON object with one line for each case.
func caseLines(t *testing.T, cases map[string]any) string {
	t.Helper()
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		data, err := json.Marshal(cases[name])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%q: %s", name, data))
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}\n"
}
