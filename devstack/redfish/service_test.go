package redfish

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// pretended is a machine that notes what is done to it, and powers off by itself when its button is pressed.
type pretended struct {
	mu     sync.Mutex
	did    []string
	down   chan struct{}
	deaf   bool // to its button
	broken bool
}

func (p *pretended) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, fmt.Sprintf(format, args...))
}

func (p *pretended) Start(m Media) (<-chan struct{}, error) {
	if p.broken {
		return nil, errors.New("no such machine")
	}
	content := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			return "-"
		}
		return string(text)
	}
	p.note("start %s %s", content(m.CD), content(m.Disk))
	p.down = make(chan struct{})
	return p.down, nil
}

func (p *pretended) Stop() error {
	p.note("stop")
	close(p.down)
	return nil
}

func (p *pretended) Press() error {
	p.note("press")
	if !p.deaf {
		close(p.down)
	}
	return nil
}

func (p *pretended) Interrupt() error { p.note("nmi"); return nil }

// bench is a service with one system.
type bench struct {
	*testing.T
	service *Service
	system  *System
	machine *pretended
	client  *http.Client
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := Start(Options{Username: "root", Password: "calvin", Folder: t.TempDir(), Log: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &pretended{}
	x, err := s.Add("52:54:00:00:00:01", func(string) Machine { return m })
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &bench{T: t, service: s, system: x, machine: m, client: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// ask sends a request, and gives what is answered; who may say who asks.
func (b *bench) ask(method, path, body string, who func(*http.Request)) (code int, header http.Header, answer map[string]any) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.service.URL()+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	who(r)
	resp, err := b.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
	return resp.StatusCode, resp.Header, answer
}

func nobody(*http.Request) {}

func basic(name, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func token(t string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Auth-Token", t) }
}

var owner = basic("root", "calvin")

// want asks as the owner, and expects a code.
func (b *bench) want(code int, method, path, body string) map[string]any {
	b.Helper()
	got, _, answer := b.ask(method, path, body, owner)
	if got != code {
		b.Errorf("%s %s %s: %d, expected %d: %v", method, path, body, got, code, answer)
	}
	return answer
}

func (b *bench) reset(code int, how string) {
	b.Helper()
	b.want(code, "POST", b.system.Path()+"/Actions/ComputerSystem.Reset", `{"ResetType": "`+how+`"}`)
}

func (b *bench) power() any {
	b.Helper()
	return b.want(200, "GET", b.system.Path(), "")["PowerState"]
}

// did expects what was done to the machine since the last time.
func (b *bench) did(want ...string) {
	b.Helper()
	b.machine.mu.Lock()
	defer b.machine.mu.Unlock()
	if !slices.Equal(b.machine.did, want) {
		b.Errorf("the machine saw %q, expected %q", b.machine.did, want)
	}
	b.machine.did = nil
}

func TestWhoIsLetIn(t *testing.T) {
	b := newBench(t)
	const session = `{"UserName": "root", "Password": "calvin"}`
	code, header, _ := b.ask("POST", sessions, session, nobody)
	if code != 201 || header.Get("X-Auth-Token") == "" || !strings.HasPrefix(header.Get("Location"), sessions+"/") {
		t.Fatalf("a session: %d, %v", code, header)
	}
	mine := token(header.Get("X-Auth-Token"))
	tests := []struct {
		name, method, path, body string
		who                      func(*http.Request)
		want                     int
	}{
		{"anybody sees the root", "GET", "/redfish/v1/", "", nobody, 200},
		{"and without its last slash", "GET", "/redfish/v1", "", nobody, 200},
		{"nobody else", "GET", "/redfish/v1/Systems", "", nobody, 401},
		{"not what is not there", "GET", "/redfish/v1/Chassis", "", nobody, 401},
		{"nobody else changes", "POST", b.system.Path() + "/Actions/ComputerSystem.Reset", `{"ResetType": "On"}`, nobody, 401},
		{"name and password", "GET", "/redfish/v1/Systems", "", owner, 200},
		{"wrong password", "GET", "/redfish/v1/Systems", "", basic("root", "calvi"), 401},
		{"wrong name", "GET", "/redfish/v1/Systems", "", basic("roo", "tcalvin"), 401},
		{"a session", "GET", "/redfish/v1/Systems", "", mine, 200},
		{"no session", "GET", "/redfish/v1/Systems", "", token("00000000-0000-4000-8000-000000000000"), 401},
		{"an empty token", "GET", "/redfish/v1/Systems", "", token(""), 401},
		{"a session for a wrong password", "POST", sessions, `{"UserName": "root", "Password": ""}`, nobody, 401},
		{"the end of the session", "DELETE", header.Get("Location"), "", mine, 204},
		{"after it", "GET", "/redfish/v1/Systems", "", mine, 401},
	}
	for _, test := range tests {
		if code, _, answer := b.ask(test.method, test.path, test.body, test.who); code != test.want {
			t.Errorf("%s: %d, expected %d: %v", test.name, code, test.want, answer)
		}
	}
	b.did()
	for range maxSessions {
		b.want(201, "POST", sessions, session)
	}
	b.want(503, "POST", sessions, session)
}

func TestPower(t *testing.T) {
	b := newBench(t)
	tests := []struct {
		how  string
		code int
		did  []string
		then string
	}{
		{"ForceOff", 204, nil, "Off"},
		{"GracefulShutdown", 409, nil, "Off"},
		{"GracefulRestart", 409, nil, "Off"},
		{"ForceRestart", 409, nil, "Off"},
		{"Nmi", 409, nil, "Off"},
		{"On", 204, []string{"start - -"}, "On"},
		{"On", 204, nil, "On"},
		{"Nmi", 204, []string{"nmi"}, "On"},
		{"ForceRestart", 204, []string{"stop", "start - -"}, "On"},
		{"GracefulShutdown", 204, []string{"press"}, "Off"},
		{"PushPowerButton", 204, []string{"start - -"}, "On"},
		{"PushPowerButton", 204, []string{"press"}, "Off"},
		{"On", 204, []string{"start - -"}, "On"},
		{"ForceOff", 204, []string{"stop"}, "Off"},
		{"Explode", 400, nil, "Off"},
	}
	for i, test := range tests {
		b.reset(test.code, test.how)
		if got := b.power(); got != test.then {
			t.Errorf("%d: after %s it is %v", i, test.how, got)
		}
		b.did(test.did...)
	}
}

// TestRestart: a machine is started again when it has powered off, however long that takes.
func TestRestart(t *testing.T) {
	b := newBench(t)
	b.machine.deaf = true
	b.reset(204, "On")
	b.reset(204, "GracefulRestart")
	if got := b.power(); got != "On" {
		t.Errorf("a machine that has not heard its button is %v", got)
	}
	b.did("start - -", "press")
	close(b.machine.down)
	testenv.Eventually(t, time.Minute, "the machine to be started again", func() bool { return b.power() == "On" })
	b.did("start - -")

	b.reset(204, "GracefulRestart")
	b.reset(204, "ForceOff")
	if got := b.power(); got != "Off" {
		t.Errorf("whose power was cut meanwhile is %v", got)
	}
	b.did("press", "stop")
}

func TestRefusal(t *testing.T) {
	b := newBench(t)
	b.system.Refuse("no fan turns")
	path := b.system.Path() + "/Actions/ComputerSystem.Reset"
	for _, how := range []string{"On", "PushPowerButton"} {
		if got := fmt.Sprint(b.want(503, "POST", path, `{"ResetType": "`+how+`"}`)); !strings.Contains(got, "no fan turns") {
			t.Errorf("%s is refused with %s", how, got)
		}
	}
	b.system.Hold("the relay sticks")
	if got := fmt.Sprint(b.want(503, "POST", path, `{"ResetType": "ForceOff"}`)); !strings.Contains(got, "the relay sticks") {
		t.Errorf("ForceOff is refused with %s", got)
	}
	b.system.Hold("")
	b.reset(204, "ForceOff")
	b.system.Refuse("")
	b.machine.broken = true
	b.reset(500, "On")
	if got := b.power(); got != "Off" {
		t.Errorf("it is %v", got)
	}
	b.did()
}

func TestMedia(t *testing.T) {
	b := newBench(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://192.0.2.1/image", http.StatusFound)
		case "/missing":
			http.NotFound(w, r)
		default:
			_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
		}
	}))
	t.Cleanup(web.Close)
	drives := "/redfish/v1/Managers/" + b.system.ID() + "/VirtualMedia"
	if l, _ := b.want(200, "GET", drives, "")["Members"].([]any); len(l) != 2 {
		t.Errorf("drives: %v", l)
	}
	insert := func(code int, drive, body string) {
		t.Helper()
		b.want(code, "POST", drives+"/"+drive+"/Actions/VirtualMedia.InsertMedia", body)
	}
	eject := func(code int, drive string) {
		t.Helper()
		b.want(code, "POST", drives+"/"+drive+"/Actions/VirtualMedia.EjectMedia", "")
	}
	image := func(path string) string { return `{"Image": "` + web.URL + path + `"}` }
	for _, bad := range []string{"", "{", "[]", `{"Image": 1}`, `{"Image": ""}`, `{"Image": "/etc/passwd"}`, `{"Image": "file:///etc/passwd"}`, `{"Image": "http://"}`,
		`{"Image": "` + web.URL + `", "Inserted": false}`, `{"Image": "` + web.URL + `", "WriteProtected": false}`, `{"Image": "` + web.URL + `", "Password": "x"}`,
		`{"Image": "` + web.URL + strings.Repeat("x", maxBody) + `"}`} {
		insert(400, "Cd", bad)
	}
	insert(500, "Cd", image("/missing"))
	insert(500, "Cd", image("/away")) // no packet leaves the machine
	insert(404, "Tape", image("/a"))
	eject(409, "Cd")
	insert(204, "Cd", image("/iso"))
	insert(409, "Cd", image("/other"))
	insert(204, "Usb", image("/drive"))
	if o := b.want(200, "GET", drives+"/Cd", ""); o["Inserted"] != true || o["Image"] != web.URL+"/iso" {
		t.Errorf("in the drive: %v", o)
	}

	boot := func(code int, body string) {
		t.Helper()
		b.want(code, "PATCH", b.system.Path(), `{"Boot": `+body+`}`)
	}
	boot(400, `{"BootSourceOverrideTarget": "Floppy"}`)
	boot(400, `{"BootSourceOverrideEnabled": "Always"}`)
	boot(400, `{"BootSourceOverrideMode": "UEFI"}`)
	boot(400, `{"BootOrder": []}`)
	b.reset(204, "On") // from nothing: nobody has said that it boots from the CD
	b.reset(204, "ForceOff")
	boot(204, `{"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "Legacy"}`)
	b.reset(204, "On")
	b.reset(204, "ForceRestart")
	boot(204, `{"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Continuous"}`)
	b.reset(204, "ForceRestart")
	b.reset(204, "ForceRestart")
	eject(204, "Cd")
	eject(204, "Usb")
	b.reset(204, "ForceRestart")
	b.did("start - drive", "stop", "start iso drive", "stop", "start - drive", "stop", "start iso drive", "stop", "start iso drive", "stop", "start - -")
	if l := b.system.Inserted(); len(l) != 0 {
		t.Errorf("still inserted: %v", l)
	}
}

func TestResources(t *testing.T) {
	b := newBench(t)
	// what is linked from the root is there
	seen := map[string]bool{}
	var walk func(path string)
	walk = func(path string) {
		if seen[path] || strings.HasSuffix(path, "/Sessions") {
			return
		}
		seen[path] = true
		if got := b.want(200, "GET", path, ""); got["@odata.id"] != path {
			t.Errorf("%s calls itself %v", path, got["@odata.id"])
		} else {
			follow(got, walk)
		}
	}
	walk(root)
	for _, path := range []string{b.system.Path() + "/EthernetInterfaces/1", "/redfish/v1/Managers/" + b.system.ID() + "/VirtualMedia/Usb"} {
		if !seen[path] {
			t.Errorf("nothing leads to %s", path)
		}
	}
	if got := b.want(200, "GET", b.system.Path()+"/EthernetInterfaces/1", "")["MACAddress"]; got != b.system.MAC() {
		t.Errorf("its card is %v", got)
	}
	b.want(404, "GET", "/redfish/v1/Systems/00000000-0000-4000-8000-000000000000", "")
	b.want(404, "GET", "/redfish/v1/Chassis", "")
	b.want(404, "DELETE", b.system.Path(), "")
	b.want(404, "GET", "/", "")
}

// follow visits every link of an answer.
func follow(v any, visit func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			if path, ok := x.(string); ok && key == "@odata.id" {
				visit(path)
			}
			follow(x, visit)
		}
	case []any:
		for _, x := range v {
			follow(x, visit)
		}
	}
}

// TestArchive holds the ramdisk to what the kernel's documentation says of it: names and contents begin at multiples of four.
func TestArchive(t *testing.T) {
	var out bytes.Buffer
	a := archive{w: &out}
	a.add("init", 0o100755, []byte("12345"))
	a.add("TRAILER!!!", 0, nil)
	want := "070701" + "00000001" + "000081ed" + strings.Repeat("0", 16) + "00000001" + "00000000" + "00000005" + strings.Repeat("0", 32) + "00000005" + "00000000" + "init\x00\x00" + "12345\x00\x00\x00"
	if a.err != nil || !strings.HasPrefix(out.String(), want) || out.Len()%4 != 0 {
		t.Errorf("%v: %q", a.err, out.String())
	}
}
