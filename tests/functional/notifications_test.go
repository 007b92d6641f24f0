package functional

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

//go:embed listener.py
var listenerProgram string

// heard is a notification as a service of OpenStack gets it.
type heard struct {
	Priority  string
	Context   map[string]any
	Publisher string `json:"publisher_id"`
	Event     string `json:"event_type"`
	Payload   struct {
		Outcome   string
		Initiator map[string]string
		Target    struct {
			ID, Name    string
			Attachments []struct {
				Content struct {
					Status      string
					MasterCount int `json:"master_count"`
				}
			}
		}
	}
	Metadata struct {
		MessageID string `json:"message_id"`
		Timestamp string
	}
}

func (h heard) String() string {
	return strings.Join([]string{h.Event, h.Priority, h.Payload.Outcome, h.Payload.Target.Attachments[0].Content.Status}, " ")
}

// listener is oslo.messaging's own, in a process.
type listener struct {
	mu    sync.Mutex
	heard []heard
}

func listen(t *testing.T, s *stack.Stack) *listener {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", listenerProgram, s.Broker)
	cmd.Dir, cmd.Env = s.Dir, []string{"PATH=/usr/bin:/bin", "HOME=" + s.Dir, "LC_ALL=C.UTF-8"}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := &listener{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var h heard
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
				t.Errorf("%v: %s", err, lines.Text())
				continue
			}
			l.mu.Lock()
			l.heard = append(l.heard, h)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("--- the listener wrote:\n%s", errs.String())
		}
	})
	return l
}

// about waits for some notifications of a cluster and gives them in the order of their times: each priority has a queue of
// its own, so that is not the order in which they are heard.
func (l *listener) about(t *testing.T, cluster string, count int) (out []heard) {
	t.Helper()
	testenv.Eventually(t, settling, "the notifications", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		out = nil
		for _, h := range l.heard {
			if h.Payload.Target.ID == cluster {
				out = append(out, h)
			}
		}
		return len(out) >= count
	})
	slices.SortStableFunc(out, func(a, b heard) int { return strings.Compare(a.Metadata.Timestamp, b.Metadata.Timestamp) })
	return out
}

// notifications tells what oslo.messaging's listener hears of a cluster: what happened before it came, too.
func notifications(t *testing.T, s *stack.Stack) {
	id := template(t, s.Two, "told", nil)
	uuid, _ := s.Two.Want(t, 202, "POST", "/v1/clusters", map[string]any{"name": "told", "cluster_template_id": id}).JSON(t)["uuid"].(string)
	s.Two.Settled(t, uuid, "CREATE_COMPLETE", settling)
	l := listen(t, s)
	same(t, []string{"magnum.cluster.create info pending CREATE_IN_PROGRESS", "magnum.cluster.create info success CREATE_COMPLETE"}, l.about(t, uuid, 2))

	s.Inject(t, sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "^told-.*worker", Action: sim.Action{Fault: "No valid host was found."}})
	s.Two.Want(t, 202, "POST", "/v1/clusters/"+uuid+"/actions/resize", map[string]any{"node_count": 2})
	s.Two.Settled(t, uuid, "UPDATE_FAILED", settling)
	s.One.Want(t, 404, "DELETE", "/v1/clusters/"+uuid, nil)
	s.Two.Want(t, 204, "DELETE", "/v1/clusters/"+uuid, nil)
	s.Two.Gone(t, uuid, settling)
	all := l.about(t, uuid, 6)
	same(t, []string{"magnum.cluster.update info pending UPDATE_IN_PROGRESS", "magnum.cluster.update error failure UPDATE_FAILED",
		"magnum.cluster.delete info pending DELETE_IN_PROGRESS", "magnum.cluster.delete info success DELETE_COMPLETE"}, all[2:])
	ids := map[string]bool{}
	for _, h := range all {
		ids[h.Metadata.MessageID] = true
		who := h.Payload.Initiator
		if who["user_id"] != s.Two.UserID || who["project_id"] != s.Two.ProjectID || h.Context["user_id"] != s.Two.UserID || !regexp.MustCompile("^req-").MatchString(text(h.Context["request_id"])) {
			t.Errorf("%s by %v, in the context %v", h, who, h.Context)
		}
		if !regexp.MustCompile(`^container-infra\.conductor-[12]$`).MatchString(h.Publisher) || h.Payload.Target.Name != "told" || h.Payload.Target.Attachments[0].Content.MasterCount != 1 ||
			!regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$`).MatchString(h.Metadata.Timestamp) {
			t.Errorf("%s: %+v", h, h)
		}
	}
	if len(ids) != len(all) {
		t.Errorf("%d notifications have %d ids", len(all), len(ids))
	}
}

func same(t *testing.T, want []string, got []heard) {
	t.Helper()
	var l []string
	for _, h := range got {
		l = append(l, h.String())
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("what is heard (-want +got):\n%s", diff)
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
