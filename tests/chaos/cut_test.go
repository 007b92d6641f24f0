package chaos

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"
)

// fault is what becomes of a conductor's n-th write.
type fault string

const (
	// The process ends right before or right after the write.
	diesBefore fault = "dies before"
	diesAfter  fault = "dies after"
	// The process lives on: the write failed, or took effect in the cloud while its answer was lost.
	refused fault = "refused"
	lost    fault = "answer lost"
	// never is of a conductor that is left in peace; its writes are counted.
	never fault = "never"
)

// cutter stands between a conductor and the rest of the world: it counts the writes that go through, requests to the cloud
// and commits of the database in one sequence, and strikes at one of them.
type cutter struct {
	fault fault
	at    int
	only  string // writes that do not contain it are not counted
	kill  context.CancelFunc

	forward http.Handler // to the cloud

	mu    sync.Mutex
	trace []string // the writes so far that count
	dead  bool
}

// commit stands for a commit of the database in a trace.
const commit = "COMMIT"

type verdict int

const (
	pass verdict = iota
	refuse
	lose
)

// write is asked before each write.
func (c *cutter) write(what string, cloud bool) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return refuse
	}
	if !strings.Contains(what, c.only) {
		return pass
	}
	c.trace = append(c.trace, what)
	if len(c.trace) != c.at || c.fault == never {
		return pass
	}
	if c.fault == diesBefore || c.fault == diesAfter {
		c.dead = true
		c.kill()
	}
	switch {
	case c.fault == diesBefore, c.fault == refused:
		return refuse
	case cloud: // what a commit did to the rows is there, whoever hears of it
		return lose
	}
	return pass
}

// struck tells what the fault met; "" when the conductor made fewer writes than that.
func (c *cutter) struck() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.trace) < c.at || c.at == 0 {
		return ""
	}
	return c.trace[c.at-1]
}

func (c *cutter) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// ServeHTTP is the gate that the conductor's requests to the cloud go through.
func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := pass
	if writes := r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasSuffix(r.URL.Path, "/auth/tokens"); writes {
		v = c.write(r.Method+" "+r.URL.Path, true)
	} else if c.isDead() {
		v = refuse
	}
	// What was sent is carried out, also when the sender is gone meanwhile.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	switch v {
	case lose:
		c.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // cuts the connection
	case refuse:
		panic(http.ErrAbortHandler)
	default:
		c.forward.ServeHTTP(w, r)
	}
}

// gate opens the cutter in front of a cloud. In what the cloud says of itself it stands in the cloud's place.
func (c *cutter) gate(t *testing.T, cloud string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(cloud)
	if err != nil {
		t.Fatal(err)
	}
	gate := httptest.NewServer(c)
	t.Cleanup(gate.Close)
	c.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Header.Del("Accept-Encoding") },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			body = bytes.ReplaceAll(body, []byte(cloud), []byte(gate.URL))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	return gate
}

// watch has the commits of one connection asked about: those that change a row, for others leave nothing behind that a
// crash could fall before or after.
func (c *cutter) watch(conn sqlite.HookRegisterer) {
	changed := false // a connection is used by one goroutine at a time
	conn.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) { changed = true })
	conn.RegisterRollbackHook(func() { changed = false })
	conn.RegisterCommitHook(func() int32 {
		if !changed {
			return 0
		}
		changed = false
		if c.write(commit, false) == refuse {
			return 1 // makes it a rollback
		}
		return 0
	})
}

// commits finds the cutter of a database connection: SQLite's hooks are the process's, so each victim opens the file under
// a spelling of its path that only it uses.
type commits struct{ byPath sync.Map }

func (c *commits) watch(path string, k *cutter) { c.byPath.Store(path, k) }

func (c *commits) hook(conn sqlite.ExecQuerierContext, dsn string) error {
	path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	k, ok := c.byPath.Load(path)
	hooks, can := conn.(sqlite.HookRegisterer)
	if ok && can {
		k.(*cutter).watch(hooks) //nolint:forcetypeassert // nothing else is stored
	}
	return nil
}

// hooks is set once, before any test runs.
var hooks = &commits{}

func TestMain(m *testing.M) {
	sqlite.RegisterConnectionHook(hooks.hook)
	os.Exit(m.Run())
}
