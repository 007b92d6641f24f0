package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

const (
	commandPath   = "/api/v1/namespaces/kube-system/pods/jeroboam-run1-hello-w-0"
	commandSecret = "/api/v1/namespaces/kube-system/secrets/jeroboam-run1-hello-w-0"
)

func hello() kube.HostCommand {
	return kube.HostCommand{Run: "run1", Name: "hello", Node: "w-0", Script: "echo hello", Env: map[string]string{"GREETING": "hello"},
		Files: map[string][]byte{"ca.key": []byte("very-secret")}}
}

// startHello makes an API with a node, and its pod for hello.
func startHello(t *testing.T) (*fakeAPI, *kube.Client) {
	t.Helper()
	api, c := start(t)
	api.put("/api/v1/nodes/w-0", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"w-0"},"status":{"nodeInfo":{"architecture":"amd64"},
		"images":[{"names":["registry.k8s.io/kube-proxy:v1.37.2"]},{"names":["registry.k8s.io/pause@sha256:00","registry.k8s.io/pause:3.10.1"]}]}}`)
	done, waiting, err := c.RunOnHost(t.Context(), hello())
	if done || waiting == "" || err != nil {
		t.Fatalf("started: %v, %q, %v", done, waiting, err)
	}
	return api, c
}

// status sets what the kubelet says of the pod.
func (f *fakeAPI) kubeletSays(t *testing.T, text string) {
	t.Helper()
	o := f.get(t, commandPath)
	f.mu.Lock()
	defer f.mu.Unlock()
	var status object
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	o["status"] = status
}

func TestHostCommandIsAPodThatNeedsNothingButItsKubelet(t *testing.T) {
	api, _ := startHello(t)
	pod := api.get(t, commandPath)
	spec := pod["spec"].(object)
	container := spec["containers"].([]any)[0].(object)
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"node", spec["nodeName"], "w-0"},
		{"restarts", spec["restartPolicy"], "Never"},
		{"token", spec["automountServiceAccountToken"], false},
		{"network", spec["hostNetwork"], true},
		{"processes", spec["hostPID"], true},
		{"deadline", spec["activeDeadlineSeconds"], 600.0},
		{"image", container["image"], "registry.k8s.io/pause:3.10.1"},
		{"tolerations", spec["tolerations"], []any{object{"operator": "Exists"}}},
		{"words", container["terminationMessagePolicy"], "FallbackToLogsOnError"},
		{"command", container["command"], []any{"/usr/bin/nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--", "/bin/sh", "-c", "echo hello"}},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
	text, _ := json.Marshal(pod)
	if strings.Contains(string(text), "very-secret") || strings.Contains(string(text), "dmVyeS1zZWNyZXQ") {
		t.Error("the pod has the secret")
	}
	if got := fmt.Sprintf("%v %+v %s", hello(), hello(), hello()); strings.Contains(got, "secret") || strings.Contains(got, "118 101") {
		t.Errorf("a log would have the secret: %s", got)
	}
	if data := api.get(t, commandSecret)["data"].(object); data["ca.key"] != "dmVyeS1zZWNyZXQ=" {
		t.Errorf("the Secret has %v", data)
	}
}

func TestHostCommandRunsOnceWhateverDies(t *testing.T) {
	api, c := startHello(t)
	want := []string{"DELETE " + commandSecret, "POST /api/v1/namespaces/kube-system/pods", "POST /api/v1/namespaces/kube-system/secrets"}
	if diff := cmp.Diff(want, api.takeWrites()); diff != "" {
		t.Fatal(diff)
	}
	api.kubeletSays(t, `{"phase":"Running"}`)
	for range 2 { // a caller that forgot
		if done, waiting, err := c.RunOnHost(t.Context(), hello()); done || waiting != "its end" || err != nil {
			t.Fatalf("while it runs: %v, %q, %v", done, waiting, err)
		}
	}
	if writes := api.takeWrites(); len(writes) > 0 {
		t.Errorf("while it runs: %v", writes)
	}
	api.kubeletSays(t, `{"phase":"Succeeded"}`)
	for range 2 {
		if done, _, err := c.RunOnHost(t.Context(), hello()); !done || err != nil {
			t.Fatalf("at the end: %v, %v", done, err)
		}
	}
	api.mu.Lock()
	if _, there := api.objects[commandSecret]; there {
		t.Error("the Secret is still there")
	}
	api.mu.Unlock()
	api.takeWrites()
	if err := c.ForgetHostCommands(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if writes := api.takeWrites(); len(writes) > 0 {
		t.Errorf("another run's pods were taken: %v", writes)
	}
	if err := c.ForgetHostCommands(t.Context(), "run1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DELETE " + commandPath}, api.takeWrites()); diff != "" {
		t.Error(diff)
	}
	if done, waiting, err := c.RunOnHost(t.Context(), hello()); done || waiting != "an earlier pod to go" || err != nil {
		t.Errorf("while the pod goes: %v, %q, %v", done, waiting, err)
	}
}

func TestHostCommandDiesBetweenSecretAndPod(t *testing.T) {
	api, c := start(t)
	api.put("/api/v1/nodes/w-0", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"w-0"}}`)
	api.put(commandSecret, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"jeroboam-run1-hello-w-0"},"data":{"ca.key":"b2xk"}}`)
	if _, _, err := c.RunOnHost(t.Context(), hello()); err != nil {
		t.Fatal(err)
	}
	if data := api.get(t, commandSecret)["data"].(object); data["ca.key"] != "dmVyeS1zZWNyZXQ=" {
		t.Errorf("the Secret still has the files of before: %v", data)
	}
	api.get(t, commandPath)
}

func TestHostCommandFails(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, tc := range []struct{ name, status, want string }{
		{"the script", `{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":1,"reason":"Error","message":"kubeadm: no\n"}}}]}`, "hello on w-0 failed: kubeadm: no"},
		{"without a word", `{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}`, "hello on w-0 failed: OOMKilled, exit status 137"},
		{"at length", `{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":1,"message":"` + long + `"}}}]}`, "hello on w-0 failed: … " + long[:1000]},
		{"too late", `{"phase":"Failed","reason":"DeadlineExceeded","message":"Pod was active on the node longer than the specified deadline"}`, "hello on w-0 failed: Pod was active on the node longer than the specified deadline"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api, c := startHello(t)
			api.kubeletSays(t, tc.status)
			_, _, err := c.RunOnHost(t.Context(), hello())
			var failed *kube.HostCommandError
			if !errors.As(err, &failed) || err.Error() != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
			api.mu.Lock()
			defer api.mu.Unlock()
			if _, there := api.objects[commandSecret]; there {
				t.Error("the Secret is still there")
			}
		})
	}
}

// TestHostCommandThatNeverStarted: a kubelet that shuts down or evicts refuses the pod; nothing was run, so another is made.
func TestHostCommandThatNeverStarted(t *testing.T) {
	api, c := startHello(t)
	api.takeWrites()
	api.kubeletSays(t, `{"phase":"Failed","reason":"NodeShutdown"}`)
	done, waiting, err := c.RunOnHost(t.Context(), hello())
	if done || err != nil || !strings.Contains(waiting, "NodeShutdown") {
		t.Fatalf("%v, %q, %v", done, waiting, err)
	}
	if diff := cmp.Diff([]string{"DELETE " + commandPath}, api.takeWrites()); diff != "" {
		t.Error(diff)
	}
}

func TestHostCommandOnANodeThatIsGone(t *testing.T) {
	_, c := start(t)
	if _, _, err := c.RunOnHost(context.Background(), hello()); !errors.Is(err, kube.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestServingCertificate: what the handshake showed is known without another request.
func TestServingCertificate(t *testing.T) {
	_, c := start(t)
	if _, ok := c.ServingCertificate(); ok {
		t.Error("it is known before any handshake")
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	x, ok := c.ServingCertificate()
	if left := time.Until(x.End); !ok || left < 50*time.Minute || left > time.Hour {
		t.Errorf("it ends in %s, %v; it was made for an hour", left, ok)
	}
}
