package log

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

const requestID = "req-01234567-89ab-cdef-0123-456789abcdef"

var start = time.Date(2026, 11, 23, 16, 0, 0, 123456789, time.UTC)

type fixedClock struct{}

func (fixedClock) Now() time.Time                         { return start }
func (fixedClock) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

// logged gives what f logs, with the process id as PID.
func logged(t *testing.T, c Config, f func(*zap.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	logger, closeLog, err := build(c, "test", &out)
	if err != nil {
		t.Fatal(err)
	}
	f(logger.WithOptions(zap.WithClock(fixedClock{})))
	if err := closeLog(); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(123 |"pid":)\d+`).ReplaceAllString(out.String(), "${1}PID")
}

func TestText(t *testing.T) {
	const at = "2026-11-23 16:00:00.123 PID "
	tests := []struct {
		name string
		log  func(*zap.Logger)
		want string
	}{
		{"plain", func(l *zap.Logger) { l.Info("started") }, "INFO jeroboam [-] started"},
		{"named", func(l *zap.Logger) { l.Named("api").Named("v1").Error("failed") }, "ERROR api.v1 [-] failed"},
		{"warning", func(l *zap.Logger) { l.Warn("again") }, "WARNING jeroboam [-] again"},
		{"critical", func(l *zap.Logger) { l.DPanic("gone") }, "CRITICAL jeroboam [-] gone"},
		{"debug is off", func(l *zap.Logger) { l.Debug("detail") }, ""},
		{"request", func(l *zap.Logger) {
			l.With(ClusterUUID("c1"), ProjectID("p1"), RequestID(requestID), UserID("u1")).Info("done", OperationID("o1"))
		}, "INFO jeroboam [" + requestID + " u1 p1 - - -] done cluster_uuid=c1 operation_id=o1"},
		{"request without user", func(l *zap.Logger) { l.Info("done", RequestID(requestID)) },
			"INFO jeroboam [" + requestID + " - - - - -] done"},
		{"all of the bracket", func(l *zap.Logger) {
			l.Info("done", RequestID(requestID), UserID("u"), ProjectID("p"), zap.String("domain_id", "d"),
				zap.String("user_domain_id", "ud"), zap.String("project_domain_id", "pd"))
		}, "INFO jeroboam [" + requestID + " u p d ud pd] done"},
		{"project without request", func(l *zap.Logger) { l.Info("done", ProjectID("p1"), OperationID("o1")) },
			"INFO jeroboam [-] done project_id=p1 operation_id=o1"},
		{"later field replaces", func(l *zap.Logger) {
			l.With(zap.Int("a", 1), zap.Int("b", 1)).With(zap.Int("a", 2)).Info("x", zap.String("b", "3"), zap.Int("c", 4))
		}, "INFO jeroboam [-] x a=2 b=3 c=4"},
		{"types", func(l *zap.Logger) {
			l.Info("x", zap.Bool("a", true), zap.Float64("b", 1.5), zap.Duration("c", 90*time.Second), zap.Time("d", start),
				zap.Strings("e", []string{"x y", "z"}), zap.Any("f", map[string]int{"k": 1}), zap.Error(errors.New("it broke")),
				zap.ByteString("g", []byte("raw")), zap.Skip(), zap.Error(nil), zap.Any("h", nil), zap.Stringer("i", 2*time.Second),
				zap.Any("j", func() {}))
		}, `INFO jeroboam [-] x a=true b=1.5 c=1m30s d=2026-11-23T16:00:00.123456789Z e=["x y","z"] f={"k":1} error="it broke" ` +
			`g=raw h=null i=2s j="not loggable: json: unsupported type: func()"`},
		{"namespace", func(l *zap.Logger) {
			l.With(zap.Int("a", 1), zap.Namespace("n")).Info("x", zap.Int("a", 2), zap.Namespace("m"), RequestID("r"))
		}, "INFO jeroboam [-] x a=1 n.a=2 n.m.request_id=r"},
		{"quoting", func(l *zap.Logger) {
			l.Info("x", zap.String("a", ""), zap.String("b", "c d"), zap.String("e", "f=g"), zap.String("h", "é/→"), zap.String("i j", "k"))
		}, `INFO jeroboam [-] x a="" b="c d" e="f=g" h=é/→ "i j"=k`},
		{"no forged lines", func(l *zap.Logger) {
			l.Info("x\n2026 y \x1b[31m", zap.String("a", "b\nc\u2028"), RequestID("r] [\n"), UserID("\r"))
		}, `INFO jeroboam ["r] [\n" "\r" - - - -] x\n2026 y \x1b[31m a="b\nc\u2028"`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			want := ""
			if tc.want != "" {
				want = at + tc.want + "\n"
			}
			if diff := cmp.Diff(want, logged(t, Config{}, tc.log)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTextDebug(t *testing.T) {
	got := logged(t, Config{Debug: true}, func(l *zap.Logger) {
		l.WithOptions(zap.AddStacktrace(zapcore.ErrorLevel)).Error("broke")
		l.Debug("detail")
	})
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) < 4 {
		t.Fatalf("no stack in:\n%s", got)
	}
	for _, line := range lines[:len(lines)-1] {
		if !strings.HasPrefix(line, "2026-11-23 16:00:00.123 PID ERROR jeroboam [-] ") {
			t.Errorf("line %q", line)
		}
	}
	if !strings.Contains(lines[0], " broke caller=log/log_test.go:") {
		t.Errorf("no caller in %q", lines[0])
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, " DEBUG jeroboam [-] detail caller=") {
		t.Errorf("debug line %q", last)
	}
}

func TestJSON(t *testing.T) {
	got := logged(t, Config{UseJSON: true}, func(l *zap.Logger) {
		l.Named("api").With(RequestID("old"), ProjectID("p1")).Warn("slow\n", RequestID(requestID),
			zap.Duration("took", time.Second), zap.Error(errors.New("it broke")), zap.String("password", "s3cret"))
	})
	want := `{"level":"WARNING","time":"2026-11-23T16:00:00.123Z","logger":"api","message":"slow\n","pid":PID,` +
		`"request_id":"` + requestID + `","project_id":"p1","took":"1s","error":"it broke","password":"***"}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestContext(t *testing.T) {
	From(context.Background()).Error("goes nowhere")
	got := logged(t, Config{}, func(l *zap.Logger) {
		ctx := Into(context.Background(), l)
		inner := With(ctx, RequestID(requestID), ProjectID("p"))
		From(With(inner, ProjectID("q"), OperationID("o"))).Info("inner")
		From(inner).Info("middle")
		From(ctx).Info("outer")
	})
	const at = "2026-11-23 16:00:00.123 PID INFO jeroboam "
	want := at + "[" + requestID + " - q - - -] inner operation_id=o\n" +
		at + "[" + requestID + " - p - - -] middle\n" +
		at + "[-] outer\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRequestID(t *testing.T) {
	a, b := NewRequestID(), NewRequestID()
	if !ValidRequestID(a) || !ValidRequestID(b) || a == b {
		t.Errorf("made %q and %q", a, b)
	}
	for _, bad := range []string{"", "req-", strings.TrimPrefix(requestID, "req-"), requestID + "0", requestID + "\n", " " + requestID,
		strings.ToUpper(requestID), "REQ" + requestID[3:], strings.Replace(requestID, "-89ab", "089ab", 1), strings.Replace(requestID, "a", "g", 1)} {
		if ValidRequestID(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
	if !ValidRequestID(requestID) {
		t.Errorf("%q is refused", requestID)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	abs := filepath.Join(dir, "abs.log")
	tests := []struct {
		name   string
		config Config
		file   string // "" for none
		stderr bool
	}{
		{"standard error", Config{}, "", true},
		{"standard error asked for", Config{UseStderr: true}, "", true},
		{"folder", Config{LogDir: dir}, "test.log", false},
		{"file in a folder", Config{LogDir: dir, LogFile: "a.log"}, "a.log", false},
		{"absolute file", Config{LogDir: "/nowhere", LogFile: abs}, "abs.log", false},
		{"both", Config{LogDir: dir, LogFile: "b.log", UseStderr: true}, "b.log", true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			stderr := logged(t, tc.config, func(l *zap.Logger) { l.Info("hello") })
			if got := strings.Contains(stderr, "hello"); got != tc.stderr {
				t.Errorf("on standard error: %v", got)
			}
			if tc.file == "" {
				return
			}
			name := filepath.Join(dir, tc.file)
			if data, err := os.ReadFile(name); err != nil || !strings.HasSuffix(string(data), "[-] hello\n") {
				t.Errorf("file: %q, %v", data, err)
			}
			if info, err := os.Stat(name); err != nil || info.Mode().Perm()&^0o640 != 0 {
				t.Errorf("mode: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestFileIsAppendedTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(name, []byte("from before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	logged(t, Config{LogFile: name}, func(l *zap.Logger) {
		l.Info("one")
		data, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(data), "from before\n") {
			t.Errorf("%q, %v", data, err)
		}
		// What logrotate does with copytruncate.
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
		l.Info("two")
	})
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), "2026-11-23 ") || strings.Count(string(data), "\n") != 1 {
		t.Errorf("after the truncation: %q", data)
	}
}

func TestFileCannotBeOpened(t *testing.T) {
	_, _, err := New(Config{LogDir: filepath.Join(t.TempDir(), "missing")}, "test")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing/test.log") {
		t.Errorf("error %v", err)
	}
}

// TestConfig loads the options from a file of oslo.log's users.
func TestConfig(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.conf")
	content := "[DEFAULT]\ndebug = True\nlogdir = /var/log/x\nlog_file = a.log\nuse_json = 1\nuse_stderr = yes\nuse_syslog = true\n"
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var got Config
	var s oslo.Sources
	s.AddFile(name)
	groups := []oslo.Group{{Name: "DEFAULT", Target: &got}}
	warnings, err := oslo.Load(s, groups, Ignored())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Config{Debug: true, LogFile: "a.log", LogDir: "/var/log/x", UseJSON: true, UseStderr: true}, got); diff != "" {
		t.Error(diff)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "DEFAULT.logdir") || !strings.Contains(warnings[1], "DEFAULT.use_syslog") {
		t.Errorf("warnings %q", warnings)
	}
	if err := oslo.WriteSample(&bytes.Buffer{}, groups); err != nil {
		t.Error(err)
	}
}

func TestJSONIsValid(t *testing.T) {
	got := logged(t, Config{UseJSON: true, Debug: true}, func(l *zap.Logger) {
		l.WithOptions(zap.AddStacktrace(zapcore.DebugLevel)).Debug("x", zap.Any("f", func() {}), zap.Namespace("n"), zap.Int("a", 1))
	})
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.Replace(got, `"pid":PID`, `"pid":1`, 1)), &line); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, key := range []string{"caller", "stacktrace", "f", "n"} {
		if line[key] == nil {
			t.Errorf("no %s in %s", key, got)
		}
	}
}
