package openstack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"

	"github.com/jeroboam-cloud/jeroboam/devstack/redfish"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	cloudapi "github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/drivertest"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// powerPatience is for one step of a machine whose processor is imitated, and for Ironic to notice.
const powerPatience = 2 * time.Minute

// bmc is a BMC with one machine, which is a node of Ironic's, and a cluster that has hosts there.
type bmc struct {
	t        *testing.T
	service  *redfish.Service
	system   *redfish.System
	admin    *gophercloud.ServiceClient
	node     string
	machines *ironic.Machines
	cluster  drivers.Cluster
	user     drivers.Credential
	ledger   *drivertest.Ledger
	host     drivers.Host
}

func newBMC(t *testing.T) *bmc {
	t.Helper()
	testenv.Require(t, testenv.OpenStack)
	if _, err := exec.LookPath(redfish.QEMU); err != nil {
		testenv.Lacks(t, "there is no "+redfish.QEMU)
	}
	b := &bmc{t: t, ledger: &drivertest.Ledger{}}
	b.power()
	b.settle()
	b.enrol()
	b.host.ImageID = b.image()
	b.t.Cleanup(func() { b.remove() })
	return b
}

func (b *bmc) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bmc) later(what string, do func(context.Context) error) {
	b.t.Cleanup(func() {
		if err := do(context.Background()); err != nil {
			b.t.Errorf("%s: %v", what, err)
		}
	})
}

// power starts the BMC with its machine, in the folder of the cloud, with which it goes even if this process is killed.
// Ironic, who is another user, has to be able to read its authority.
func (b *bmc) power() {
	b.t.Helper()
	folder, err := os.MkdirTemp(os.Getenv("JEROBOAM_OPENSTACK_DIR"), "bmc.")
	b.must(err)
	b.later("removing the BMC's folder", func(context.Context) error { return os.RemoveAll(folder) })
	b.must(os.Chmod(folder, 0o755))
	b.service, err = redfish.Start(redfish.Options{Username: "root", Password: "calvin", Folder: folder, Log: log.New(b.t.Output(), "BMC: ", log.Lmicroseconds)})
	b.must(err)
	b.later("ending the BMC", func(context.Context) error { return b.service.Close() })
	b.must(os.WriteFile(filepath.Join(folder, "ca.pem"), b.service.CA(), 0o644))
	b.system, err = b.service.Add("52:54:00:"+strings.Join([]string{uuid.NewString()[:2], uuid.NewString()[:2], uuid.NewString()[:2]}, ":"), redfish.Virtual)
	b.must(err)
	b.t.Cleanup(func() {
		if b.t.Failed() {
			b.t.Logf("console: %s", b.console())
		}
	})
}

// settle makes a project with the network of a cluster.
func (b *bmc) settle() {
	b.t.Helper()
	project, user, password := testenv.NewProject(b.t, "member", "load-balancer_member", "creator")
	b.user = drivers.Credential{UserID: user.ID, Password: password, ProjectID: project.ID}
	factory := func(name, password, project string) *cloudapi.Factory {
		f, err := cloudapi.NewFactory(cloudapi.Config{AuthURL: testenv.Require(b.t, testenv.KeystoneURL), AuthType: "password", Username: name, Password: password, UserDomainName: "Default",
			ProjectName: project, ProjectDomainName: "Default", Interface: "public", Timeout: time.Minute})
		b.must(err)
		b.t.Cleanup(f.Close)
		return f
	}
	neutron, err := openstack.NewNetworkV2(testenv.KeystoneAdmin(b.t), gophercloud.EndpointOpts{Region: testenv.Region})
	b.must(err)
	external := list(b.t, networks.List(neutron, networks.ListOpts{Name: "public"}), networks.ExtractNetworks)
	id := uuid.NewString()
	b.cluster = drivers.Cluster{UUID: id, Name: "cluster", Prefix: "cluster-" + id[:8], ProjectID: project.ID, ExternalNetworkID: external[0].ID, SubnetCIDR: "10.0.0.0/24", APIPort: 6443,
		PodCIDR: "10.100.0.0/16"}
	network := infra.New(infra.Config{OwnCredentials: true}, factory(user.Name, password, project.Name), nil)
	b.machines = ironic.New(ironic.Config{AvoidFor: time.Hour}, factory("admin", testenv.Require(b.t, testenv.KeystoneAdminPassword), "admin"), network, nil)
	b.t.Cleanup(func() {
		for l := b.ledger.All(); len(l) > 0; l = l[:len(l)-1] {
			b.step("removing "+l[len(l)-1].Kind, func(ctx context.Context, s *drivers.Site) drivers.Result { return network.Remove(ctx, s, l[len(l)-1]) })
		}
	})
	b.step("the network", network.EnsureNetwork)
	b.step("the security groups", network.EnsureSecurityGroups)
	b.host = drivers.Host{Name: b.cluster.Prefix + "-host", NodeGroup: "workers"}
}

// enrol makes a node of the machine.
func (b *bmc) enrol() {
	b.t.Helper()
	ctx := b.t.Context()
	var err error
	b.admin, err = openstack.NewBareMetalV1(testenv.KeystoneAdmin(b.t), gophercloud.EndpointOpts{Region: testenv.Region})
	b.must(err)
	b.admin.Microversion = "1.78"
	class := "redfish-" + uuid.NewString()[:8]
	n, err := nodes.Create(ctx, b.admin, nodes.CreateOpts{Driver: "redfish", Name: class, ResourceClass: class, Properties: map[string]any{"cpu_arch": "x86_64", "capabilities": "boot_mode:bios"},
		DriverInfo: map[string]any{"redfish_address": b.service.URL(), "redfish_system_id": b.system.Path(), "redfish_username": "root", "redfish_password": "calvin",
			"redfish_verify_ca": filepath.Join(filepath.Dir(b.system.Folder()), "ca.pem")}}).Extract()
	b.must(err)
	b.node, b.host.ResourceClass = n.UUID, cloudapi.PlacementClass(class)
	b.later("deleting the node", func(ctx context.Context) error {
		var err error
		testenv.Eventually(b.t, powerPatience, "the node to be left alone", func() bool {
			err = errors.Join(nodes.SetMaintenance(ctx, b.admin, b.node, nodes.MaintenanceOpts{Reason: "the test is over"}).ExtractErr(), nodes.Delete(ctx, b.admin, b.node).ExtractErr())
			return err == nil || !gophercloud.ResponseCodeIs(err, 409)
		})
		return err
	})
	_, err = ports.Create(ctx, b.admin, ports.CreateOpts{NodeUUID: b.node, Address: b.system.MAC()}).Extract()
	b.must(err)
	for _, to := range []struct {
		target nodes.TargetProvisionState
		state  nodes.ProvisionState
	}{{nodes.TargetManage, nodes.Manageable}, {nodes.TargetProvide, nodes.Available}} {
		b.must(nodes.ChangeProvisionState(ctx, b.admin, b.node, nodes.ProvisionStateOpts{Target: to.target}).ExtractErr())
		b.await(to.state)
	}
}

// await waits until the node is in a state, and nobody is busy with it.
func (b *bmc) await(state nodes.ProvisionState) {
	b.t.Helper()
	testenv.Eventually(b.t, powerPatience, "the node to be "+string(state), func() bool {
		n, err := nodes.Get(context.Background(), b.admin, b.node).Extract()
		b.must(err)
		if n.LastError != "" {
			b.t.Fatalf("%s: %s", n.ProvisionState, n.LastError)
		}
		return n.ProvisionState == string(state) && n.Reservation == ""
	})
}

// image makes one that a machine boots, of a kernel and a ramdisk.
func (b *bmc) image() string {
	b.t.Helper()
	kernel, ramdisk, err := redfish.Image(b.t.Context(), testenv.Require(b.t, testenv.GuestKernel))
	b.must(err)
	return b.upload("guest", []byte("its kernel and its ramdisk are images of their own\n"), map[string]string{
		"kernel_id": b.upload("kernel", kernel, nil), "ramdisk_id": b.upload("ramdisk", ramdisk, nil)})
}

func (b *bmc) upload(name string, content []byte, properties map[string]string) string {
	b.t.Helper()
	glance, err := openstack.NewImageV2(testenv.KeystoneAdmin(b.t), gophercloud.EndpointOpts{Region: testenv.Region})
	b.must(err)
	public := images.ImageVisibilityPublic
	x, err := images.Create(b.t.Context(), glance, images.CreateOpts{Name: name + "-" + uuid.NewString()[:8], ContainerFormat: "bare", DiskFormat: "raw", Visibility: &public, Properties: properties}).Extract()
	b.must(err)
	b.later("deleting an image", func(ctx context.Context) error { return images.Delete(ctx, glance, x.ID).ExtractErr() })
	b.must(imagedata.Upload(b.t.Context(), glance, x.ID, bytes.NewReader(content)).ExtractErr())
	return x.ID
}

func (b *bmc) console() string {
	b.t.Helper()
	text, err := redfish.Console(b.system.Folder())
	b.must(err)
	return text
}

// site is the cluster's for one look at everything.
func (b *bmc) site() *drivers.Site {
	return &drivers.Site{Cluster: b.cluster, Credential: b.user, Ledger: b.ledger, Memo: &drivers.Memo{}}
}

// step is repeated until it is done.
func (b *bmc) step(what string, do func(context.Context, *drivers.Site) drivers.Result) {
	b.t.Helper()
	if r := b.settled(what, do); !r.IsDone() {
		b.t.Fatalf("%s: %v", what, r)
	}
}

// settled repeats a step until it is done or has failed.
func (b *bmc) settled(what string, do func(context.Context, *drivers.Site) drivers.Result) drivers.Result {
	b.t.Helper()
	var r drivers.Result
	defer func() {
		if b.t.Failed() {
			b.t.Logf("%s: %v", what, r)
		}
	}()
	var last time.Time
	testenv.Eventually(b.t, powerPatience, what, func() bool {
		if time.Since(last) < time.Second {
			return false
		}
		last = time.Now()
		r = do(context.Background(), b.site())
		waits := false
		r.Switch(func() {}, func(time.Duration, string) { waits = true }, func(error) {}, func(error) { waits = true })
		return !waits
	})
	return r
}

// The user data of a host, and of its rebuild.
const (
	firstData  = "#cloud-config\nruncmd: [echo, first]\n"
	secondData = "#cloud-config\nruncmd: [echo, second]\n"
)

func userData(text string) drivers.UserData {
	return func(context.Context) ([]byte, error) { return []byte(text), nil }
}

// deploy asks for the host until it is there, or cannot be.
func (b *bmc) deploy() drivers.Result {
	b.t.Helper()
	b.step("the address", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.machines.EnsureAddress(ctx, s, b.host)
	})
	return b.settled("the host", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.machines.EnsureHost(ctx, s, b.host, userData(firstData))
	})
}

func (b *bmc) remove() {
	b.t.Helper()
	b.step("removing the host", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.machines.RemoveHost(ctx, s, b.host.Name)
	})
}

// life is what a machine said when it had booted.
type life struct{ boot, hostname, id, sum string }

var lifeLine = regexp.MustCompile(`guest: boot=(\S+) hostname=(\S+) uuid=(\S+) user_data=(\S+)`)

// booted waits until the machine has booted so many times in all, each time anew, and holds the last time to what is on the
// host's config drive.
func (b *bmc) booted(times int, data string) {
	b.t.Helper()
	var l []life
	testenv.Eventually(b.t, powerPatience, fmt.Sprintf("the machine to boot %d times", times), func() bool {
		l = nil
		for _, x := range lifeLine.FindAllStringSubmatch(b.console(), -1) {
			l = append(l, life{x[1], x[2], x[3], x[4]})
		}
		return len(l) >= times
	})
	if len(l) != times {
		b.t.Fatalf("it booted %d times, not %d", len(l), times)
	}
	allocation, _ := b.ledger.Find(drivers.KindAllocation, b.host.Name)
	got := l[times-1]
	if want := (life{got.boot, b.host.Name, allocation.ID, fmt.Sprintf("%x", sha256.Sum256([]byte(data)))}); got != want {
		b.t.Errorf("its config drive: %+v, expected %+v", got, want)
	}
	if slices.ContainsFunc(l[:times-1], func(x life) bool { return x.boot == got.boot }) {
		b.t.Errorf("that was no boot: %+v", l)
	}
}

// pressed counts how often the power button was.
func (b *bmc) pressed() int {
	b.t.Helper()
	return strings.Count(b.console(), "guest: the power button was pressed")
}

// off expects a machine that nobody has.
func (b *bmc) off() {
	b.t.Helper()
	b.await(nodes.Available)
	if l := b.system.Inserted(); b.system.On() || len(l) != 0 {
		b.t.Errorf("afterwards the machine is on: %v, with %v inserted", b.system.On(), l)
	}
}

// unbuilt expects a rebuild to fail at once and in words, with the machine as it was.
func (b *bmc) unbuilt(class drivers.Class, words string) {
	b.t.Helper()
	r := b.settled("a rebuild that cannot be", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.machines.RebuildHost(ctx, s, b.host, "twice "+words, userData(firstData))
	})
	if r.Err() == nil || !strings.Contains(r.Err().Error(), words) || drivers.ClassOf(r.Err()) != class || !b.system.On() {
		b.t.Errorf("%v, class %s, and the machine is on: %v", r, drivers.ClassOf(r.Err()), b.system.On())
	}
	b.await(nodes.Active)
}

// TestRedfish is the life of a host on a machine that is really switched on and off.
func TestRedfish(t *testing.T) {
	b := newBMC(t)
	since := time.Now()
	if r := b.deploy(); !r.IsDone() {
		t.Fatal(r)
	}
	took(t, "deploy", since)
	b.booted(1, firstData)
	took(t, "deploy and boot", since)

	for i, hard := range []bool{false, true} { // as healing asks for it
		b.step("the reboot", func(ctx context.Context, s *drivers.Site) drivers.Result {
			return b.machines.RebootHost(ctx, s, b.host.Name, hard)
		})
		b.booted(2+i, firstData)
		if n := b.pressed(); n != 1 {
			t.Errorf("the power button was pressed %d times, not once", n)
		}
		b.await(nodes.Active)
	}

	since = time.Now()
	b.step("the rebuild", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.machines.RebuildHost(ctx, s, b.host, "once", userData(secondData))
	})
	b.booted(4, secondData)
	took(t, "rebuild", since)
	b.await(nodes.Active)

	good := b.host.ImageID
	b.host.ImageID = b.upload("whole", []byte("it has no kernel\n"), nil)
	b.unbuilt(drivers.ClassUser, "has no kernel_id and no ramdisk_id")
	b.host.ImageID = good
	b.must(nodes.Update(t.Context(), b.admin, b.node, nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info/traits", Value: []string{"CUSTOM_NOBODY_HAS_IT"}}}).Err)
	b.unbuilt(drivers.ClassCloud, "CUSTOM_NOBODY_HAS_IT")

	since = time.Now()
	b.remove()
	b.off()
	took(t, "remove", since)
}

// TestRedfishRefuses: what a BMC says when it does not power on arrives at whoever asked for the host.
func TestRedfishRefuses(t *testing.T) {
	b := newBMC(t)
	const text = "the power supply is missing"
	b.system.Refuse(text)
	if r := b.deploy(); r.Err() == nil || !strings.Contains(r.Err().Error(), text) || drivers.ClassOf(r.Err()) != drivers.ClassCapacity {
		t.Errorf("without power: %v, class %s", r, drivers.ClassOf(r.Err()))
	}
	b.remove()
	b.off()
}

// TestRedfishKeepsRunning: a machine that does not go off is asked again, and what its BMC says arrives at whoever waits.
func TestRedfishKeepsRunning(t *testing.T) {
	b := newBMC(t)
	if r := b.deploy(); !r.IsDone() {
		t.Fatal(r)
	}
	const text = "the relay sticks"
	b.system.Hold(text)
	var last time.Time
	testenv.Eventually(t, powerPatience, "its words to be told", func() bool {
		if time.Since(last) < time.Second {
			return false
		}
		last = time.Now()
		told := ""
		r := b.machines.RemoveHost(context.Background(), b.site(), b.host.Name)
		r.Switch(func() {}, func(_ time.Duration, waiting string) { told = waiting }, func(error) {}, func(error) {})
		if r.IsDone() {
			t.Fatalf("the host is gone, and the machine is on: %v", b.system.On())
		}
		return strings.Contains(told, text)
	})
	if !b.system.On() {
		t.Error("the machine is off")
	}
	b.system.Hold("")
	b.remove()
	b.off()
}
