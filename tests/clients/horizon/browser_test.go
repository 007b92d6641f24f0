package horizon

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const (
	chromium     = "/usr/bin/chromium"
	patience     = time.Minute // of the person in front of it
	pollInterval = 150 * time.Millisecond
)

//go:embed page.js
var page string

// person is somebody in front of a browser.
type person struct {
	t         *testing.T
	ctx       context.Context //nolint:containedctx // chromedp keeps the browser in it
	artifacts string
	shots     int

	mu       sync.Mutex
	problems []string
}

// browse opens a browser.
func browse(t *testing.T, artifacts string) *person {
	t.Helper()
	p := &person{t: t, artifacts: artifacts}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, //nolint:gocritic // a copy
		chromedp.WindowSize(1400, 1000), chromedp.UserDataDir(t.TempDir()), chromedp.Flag("no-proxy-server", true), chromedp.Flag("lang", "en-US"))
	ctx, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithListener(p.listen))
	t.Cleanup(func() { cancel(); cancelAllocator() })
	p.ctx = ctx
	// The first call starts the browser, which then lives as long as the context of that call: no time limit here.
	if _, err := chromedp.Call(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: artifacts}); err != nil {
		t.Fatalf("open the browser: %v", err)
	}
	return p
}

// listen notes what goes wrong behind the page. It runs on chromedp's goroutine.
func (p *person) listen(event any) {
	switch e := event.(type) {
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && strings.Contains(e.Response.URL, "/api/") {
			p.note(fmt.Sprintf("%s answers %d", e.Response.URL, e.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.note("script: " + text)
	}
}

func (p *person) note(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// content: every step leaves a picture, and nothing may be wrong.
func (p *person) content(name string) {
	p.t.Helper()
	p.sees("still()")
	p.picture(name)
}

// picture is taken of the page as it is; whatever went wrong since the last one fails the test.
func (p *person) picture(name string) {
	p.t.Helper()
	p.shots++
	path := filepath.Join(p.artifacts, fmt.Sprintf("%02d-%s.png", p.shots, name))
	raw, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("picture of %s: %v", name, err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		p.t.Fatal(err)
	}
	for _, e := range evaluate[[]string](p, "errors()") {
		p.note("the page says: " + e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("%s: %s", name, problem)
	}
	p.problems = nil
}

// visit goes to an address.
func (p *person) visit(address string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		p.t.Fatalf("go to %s: %v", address, err)
	}
}

// evaluate runs an expression of page.js's words.
func evaluate[T any](p *person, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T]("(() => {"+page+"\nreturn "+expression+"})()"))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// does something as soon as it can be done.
func (p *person) does(function string, args ...string) {
	p.t.Helper()
	p.sees(call(function, args...))
}

// sees waits until an expression is true.
func (p *person) sees(expression string) {
	p.t.Helper()
	testenv.Eventually(p.giveUp(), patience, expression, every(pollInterval, func() bool {
		return evaluate[bool](p, "Boolean("+expression+")")
	}))
}

func (p *person) giveUp() testing.TB { return fatal{p.t, func() { p.picture("stuck") }} }

// fatal takes a picture before the test ends.
type fatal struct {
	testing.TB
	before func()
}

func (f fatal) Fatalf(format string, args ...any) {
	f.Helper()
	f.before()
	f.TB.Fatalf(format, args...)
}

// call writes the call of a function.
func call(function string, args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		raw, err := json.Marshal(a)
		if err != nil {
			panic(err) // a string always has a JSON form
		}
		quoted[i] = string(raw)
	}
	return function + "(" + strings.Join(quoted, ", ") + ")"
}

// every slows a condition down to one look per interval.
func every(interval time.Duration, cond func() bool) func() bool {
	tick := time.NewTicker(interval)
	first := true
	return func() bool {
		if !first {
			<-tick.C
		}
		first = false
		return cond()
	}
}
