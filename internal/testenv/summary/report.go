package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// event is one line of `go test -json`; `go doc test2json` describes it.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	Elapsed     float64
	ImportPath  string // of a build
	FailedBuild string // the build for want of which a package fails: it has had its say
}

// key names a test, a package (no test) or a build.
type key struct{ pkg, test string }

// report gathers the events of one run.
type report struct {
	w       io.Writer
	output  map[key]*strings.Builder
	counts  map[string]*counts // by package
	skipped []string
	failed  []string
	said    map[string][]string // by what failed, the messages of its tests
	totals  struct{ passed, packages int }
	open    map[string]bool // packages that have begun and not ended
	elapsed time.Duration   // of all packages together
}

// counts of tests.
type counts struct{ passed, failed, skipped int }

func (c *counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

func newReport(w io.Writer) *report {
	return &report{
		w: w, output: map[key]*strings.Builder{}, counts: map[string]*counts{}, said: map[string][]string{}, open: map[string]bool{},
	}
}

// read takes events until the end. What is no event (a message of the go command) is shown as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.printf("%s\n", lines.Text())
			continue
		}
		r.take(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the output of go test: %w", err)
	}
	return nil
}

func (r *report) take(e event) {
	k := key{pkg: e.Package, test: e.Test}
	switch e.Action {
	case "start":
		r.open[e.Package] = true
	case "output":
		r.text(k).WriteString(e.Output)
	case "build-output":
		r.text(key{pkg: e.ImportPath}).WriteString(e.Output)
	case "build-fail":
		r.fail(key{pkg: e.ImportPath})
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e.Action, k)
		}
	}
}

func (r *report) endTest(action string, k key) {
	c := r.count(k.pkg)
	switch action {
	case "pass":
		c.passed++
		r.totals.passed++
	case "skip":
		c.skipped++
		r.skipped = append(r.skipped, k.String()+": "+reason(r.text(k).String()))
	case "fail":
		c.failed++
		r.fail(k)
	}
	delete(r.output, k)
}

func (r *report) count(pkg string) *counts {
	if r.counts[pkg] == nil {
		r.counts[pkg] = &counts{}
	}
	return r.counts[pkg]
}

func (r *report) endPackage(e event) {
	k := key{pkg: e.Package}
	delete(r.open, e.Package)
	r.totals.packages++
	r.elapsed += time.Duration(e.Elapsed * float64(time.Second))
	switch {
	case e.FailedBuild != "":
	case e.Action == "fail" && !r.failedWithin(e.Package):
		r.fail(k) // outside of any test: a crash, a time-out, TestMain, a build
	case e.Action == "fail":
		r.printf("FAIL %s %.1f s, %s\n", e.Package, e.Elapsed, r.count(e.Package))
	case *r.count(e.Package) != counts{}:
		r.printf("ok   %s %.1f s, %s\n", e.Package, e.Elapsed, r.count(e.Package))
	}
	delete(r.output, k)
}

func (r *report) failedWithin(pkg string) bool {
	for _, name := range r.failed {
		if strings.HasPrefix(name, pkg+" ") {
			return true
		}
	}
	return false
}

// fail notes a failure and shows what was printed until then, and by the tests above it.
func (r *report) fail(k key) {
	r.failed = append(r.failed, k.String())
	r.said[k.String()] = lastMessages(r.text(k).String())
	r.printf("FAIL %s\n%s", k, r.text(k))
}

// close shows the totals, what the tests that failed said (whoever sees only the end of a long output wants to know why),
// and tells whether everything passed.
func (r *report) close() bool {
	for pkg := range r.open {
		r.fail(key{pkg: pkg}) // the go command was ended before the package was
	}
	for _, line := range r.skipped {
		r.printf("SKIP %s\n", line)
	}
	for _, line := range r.failed {
		r.printf("FAIL %s\n", line)
		for _, message := range r.said[line] {
			r.printf("     %s\n", message)
		}
	}
	r.printf("%d passed, %d failed, %d skipped in %d packages, which took %.0f s together\n", r.totals.passed,
		len(r.failed), len(r.skipped), r.totals.packages, r.elapsed.Seconds())
	return len(r.failed) == 0 && r.totals.passed > 0
}

func (r *report) text(k key) *strings.Builder {
	b := r.output[k]
	if b == nil {
		b = &strings.Builder{}
		r.output[k] = b
	}
	return b
}

// printf writes to the terminal. Nobody can be told when that fails.
func (r *report) printf(format string, args ...any) { _, _ = fmt.Fprintf(r.w, format, args...) }

func (k key) String() string {
	if k.test == "" {
		return k.pkg
	}
	return k.pkg + " " + k.test
}

// message is what a test says: it stands behind file:line.
var message = regexp.MustCompile(`(?m)^ +(\S+\.go:\d+: (.*))$`)

// lastMessages are the last that a test said, not too long to be read.
func lastMessages(output string) []string {
	const most, length = 12, 240
	var out []string
	for _, m := range message.FindAllStringSubmatch(output, -1) {
		out = append(out, strings.ToValidUTF8(m[1][:min(len(m[1]), length)], ""))
	}
	return out[max(0, len(out)-most):]
}

// reason finds what a skipped test gave as its reason: the first message in its output.
func reason(output string) string {
	if m := message.FindStringSubmatch(output); m != nil {
		return m[2]
	}
	return "no reason given"
}
