package stack

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"

	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/traffic"
)

// startTimeout is how long a process may take until it answers.
const startTimeout = 30 * time.Second

// PollInterval is the longest time between two looks of a conductor at the cloud.
const PollInterval = time.Second

// LooksApart lies at least between two looks at the same thing: those that are due within half of PollInterval go together.
// The rest is for a busy machine, on which requests overtake each other.
const LooksApart = PollInterval / 3

// Options of a stack.
type Options struct {
	// Broker of the test's own; nil: a virtual host on the shared one.
	Broker *testenv.Broker
	// Speed of the simulated cloud: how many times faster than a real one.
	Speed float64
	// Conductors to start; 0 is two, less is none.
	Conductors int
	// Quotas of a project in the simulated cloud, «name=limit», instead of its defaults.
	Quotas []string
	// Sections are added to the configuration.
	Sections []string
	// Real: the cloud is that of `make test-openstack`. There is one place in its catalogue for Jeroboam, so one stack at a
	// time, unless it is one with Traffic.
	Real bool
	// Traffic, when it is not nil, is what everything goes through that the service asks of the cloud.
	Traffic *traffic.Recorder
}

// Stack is a running service with its surroundings.
type Stack struct {
	Dir      string // logs and configuration
	URL      string // of the API, without /v1
	Region   string
	Database string // connection
	Broker   string // transport_url
	SimURL   string

	Simulator, API *Process
	Conductors     []*Process

	// One and Two are ordinary users of different projects, Admin is the cloud's administrator in a third, Service is whom
	// the processes are in the cloud. DomainID is where they make a user for each cluster.
	One, Two, Admin, Service *Tenant
	DomainID                 string
}

// Start brings everything up. It ends with the test.
func Start(t testing.TB, o Options) *Stack {
	t.Helper()
	keystone := testenv.Require(t, testenv.KeystoneURL)
	mariadb := testenv.Require(t, testenv.MariaDBURL)
	bin := Build(t)
	s := &Stack{Dir: t.TempDir()}
	s.Database = dbtest.CreateDatabase(t, mariadb, "mysql")
	domain := testenv.NewDomain(t)
	service := s.tenant(t, "admin", "service")
	testenv.Grant(t, roles.AssignOpts{UserID: service.UserID, DomainID: domain.ID}, "admin")
	s.Service, s.DomainID = service, domain.ID
	var common string
	if o.Real {
		s.Broker = testenv.Require(t, testenv.RabbitMQURL)
		common = s.amongReal(t, keystone, domain.Name, service, o)
	} else {
		s.Broker = transport(t, o.Broker)
		common = s.amongSimulated(t, bin, keystone, domain.Name, service, o)
	}
	s.run(t, filepath.Join(bin, "jeroboam-manage"), "--config-file", common, "db", "upgrade")
	s.API = start(t, s.Dir, "jeroboam-api", filepath.Join(bin, "jeroboam-api"), "--config-file", common)
	if o.Conductors == 0 {
		o.Conductors = 2
	}
	for i := range o.Conductors {
		name := fmt.Sprintf("conductor-%d", i+1)
		own := s.write(t, name+".conf", "[DEFAULT]\nhost = "+name+"\n")
		s.Conductors = append(s.Conductors, start(t, s.Dir, name, filepath.Join(bin, "jeroboam-conductor"), "--config-file", common, "--config-file", own))
	}
	s.Await(t, s.API, s.URL+"/healthcheck")
	return s
}

// amongSimulated starts a simulated cloud and gives the configuration for it.
func (s *Stack) amongSimulated(t testing.TB, bin, keystone, domain string, service *Tenant, o Options) string {
	t.Helper()
	api, simulator := testenv.FreePort(t), testenv.FreePort(t)
	s.URL, s.SimURL = fmt.Sprintf("http://127.0.0.1:%d", api), fmt.Sprintf("http://127.0.0.1:%d", simulator)
	s.Region = region(t, simulated(t, s.SimURL), s.URL, o.Traffic)
	s.One, s.Two, s.Admin = s.tenant(t), s.tenant(t), s.tenant(t, "admin")
	s.startSimulator(t, bin, keystone, simulator, service, o)
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return s.config(t, via(t, o.Traffic, "identity", keystone), api, service,
		append([]string{"[service_user]\ndomain = " + domain + "\nroles = member", "[certificates]\ncert_manager_type = x509keypair\nencryption_keys = " + base64.StdEncoding.EncodeToString(key)}, o.Sections...)...)
}

// amongReal gives the configuration for the real cloud, with secrets in Barbican.
func (s *Stack) amongReal(t testing.TB, keystone, domain string, service *Tenant, o Options) string {
	t.Helper()
	port, err := strconv.Atoi(testenv.Require(t, testenv.OpenStackPort))
	if err != nil {
		t.Fatal(err)
	}
	s.Region = testenv.Region
	if o.Traffic != nil {
		port = testenv.FreePort(t)
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	if o.Traffic != nil {
		s.Region = region(t, catalogue(t), s.URL, o.Traffic)
	}
	members := []string{"member", "load-balancer_member"} // what Octavia wants of one
	s.One, s.Two, s.Admin = s.tenant(t, members...), s.tenant(t, members...), s.tenant(t, "admin")
	return s.config(t, via(t, o.Traffic, "identity", keystone), port, service,
		append([]string{"[service_user]\ndomain = " + domain + "\nroles = member,load-balancer_member", "[certificates]\ncert_manager_type = barbican"}, o.Sections...)...)
}

func (s *Stack) startSimulator(t testing.TB, bin, keystone string, port int, service *Tenant, o Options) {
	t.Helper()
	args := []string{"simulate", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--speed", fmt.Sprint(o.Speed), "--public-cidr", rig.PublicCIDR(t),
		"--keystone-url", keystone, "--keystone-username", service.Name, "--keystone-password", service.Password, "--keystone-project", service.Name}
	for _, q := range o.Quotas {
		args = append(args, "--quota", q)
	}
	s.Simulator = start(t, s.Dir, "simulator", filepath.Join(bin, "jeroboam"), args...)
	s.Await(t, s.Simulator, s.SimURL+"/_sim/calls")
}

// config writes the file that all programs share.
func (s *Stack) config(t testing.TB, keystone string, port int, service *Tenant, more ...string) string {
	t.Helper()
	identity := fmt.Sprintf("auth_url = %s\nauth_type = password\nusername = %s\npassword = %s\nuser_domain_name = Default\nproject_name = %s\nproject_domain_name = Default\nregion_name = %s\n",
		keystone, service.Name, service.Password, service.Name, s.Region)
	return s.write(t, "jeroboam.conf", strings.Join(append([]string{
		"[DEFAULT]\ndebug = true\ntransport_url = " + s.Broker,
		fmt.Sprintf("[api]\nhost = 127.0.0.1\nport = %d", port),
		fmt.Sprintf("[conductor]\nlease = 10\npoll_interval = %d", PollInterval/time.Second),
		"[oslo_messaging_rabbit]\nrabbit_interval_max = 3", // nobody watches the minutes go by
		"[database]\nconnection = " + s.Database,
		"[keystone_authtoken]\nwww_authenticate_uri = " + keystone + "\n" + identity,
		"[keystone_auth]\n" + identity,
		"[quotas]\nmax_clusters_per_project = 1000",
		"[drivers]\nenabled = vm,ironic",
	}, append(more, "")...), "\n"))
}

func (s *Stack) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *Stack) run(t testing.TB, path string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.Dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(append([]string{filepath.Base(path)}, args...), " "), err, out)
	}
}

// Await returns when a process answers at an address, and fails the test when it ends instead.
func (s *Stack) Await(t testing.TB, p *Process, address string) {
	t.Helper()
	testenv.Eventually(t, startTimeout, p.Name+" to answer", func() bool {
		if !p.Running() {
			t.Fatalf("%s has ended:\n%s", p.Name, p.tail())
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
		r, err := http.Get(address) //nolint:forbidigo // bounded by the test
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// transport makes a virtual host for the test alone and gives its URL: the queue has the same name in every stack.
func transport(t testing.TB, own *testenv.Broker) string {
	t.Helper()
	if own != nil {
		return own.URL
	}
	address := testenv.Require(t, testenv.RabbitMQURL)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	vhost := "stack-" + uuid.NewString()
	ctl := func(args ...string) error {
		out, err := exec.Command(testenv.Require(t, testenv.Services), append([]string{"rabbitmq", "ctl", "-q"}, args...)...).CombinedOutput() //nolint:gosec // our own script
		if err != nil {
			return fmt.Errorf("rabbitmqctl %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	t.Cleanup(func() {
		if err := ctl("delete_vhost", vhost); err != nil {
			t.Error(err)
		}
	})
	if err := ctl("add_vhost", vhost); err != nil {
		t.Fatal(err)
	}
	if err := ctl("set_permissions", "-p", vhost, u.User.Username(), ".*", ".*", ".*"); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + vhost
	return u.String()
}
