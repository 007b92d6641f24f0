package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// The simulated cloud's names that the demonstration uses.
const (
	demoUser     = "demo"
	demoPassword = "secret" //nolint:gosec // of a cloud that is gone when the process ends
	serviceUser  = "jeroboam"
)

// demo is one demonstration.
type demo struct {
	keep       bool
	speed      float64
	kubeconfig string
	out        io.Writer
	folder     string
	cloud      *sim.Cloud
	local      *local
	person     *person
}

func demoFlags(f *flag.FlagSet) func(context.Context, shell) error {
	d := &demo{}
	f.BoolVar(&d.keep, "keep", false, "leave cluster and cloud running until Ctrl-C, and print how to use them")
	f.Float64Var(&d.speed, "speed", 10, "how many times `FASTER` than a real cloud the simulated one is; 0: as fast as possible")
	f.StringVar(&d.kubeconfig, "kubeconfig", "", "`FILE` for the kubeconfig of the cluster; unset: one in a temporary folder")
	return func(ctx context.Context, s shell) error {
		d.out = s.stdout
		return d.run(ctx)
	}
}

// run is the whole demonstration. It returns nil only when the cluster was made, its nodes were listed, and nothing is left.
func (d *demo) run(ctx context.Context) (err error) {
	if d.speed < 0 {
		return errors.New("--speed: a cloud cannot run backwards")
	}
	began := time.Now()
	if d.folder, err = os.MkdirTemp("", "jeroboam-demo-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() {
		if err != nil { // the log may tell more
			err = fmt.Errorf("%w\nlog and database are kept in %s", err, d.folder)
			return
		}
		err = os.RemoveAll(d.folder)
	}()
	if err := d.startCloud(); err != nil {
		return err
	}
	defer d.cloud.Close()
	stop, err := d.startService(ctx)
	if err != nil {
		return err
	}
	if err := d.play(ctx); err != nil {
		return errors.Join(err, stop())
	}
	if err := stop(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nAll of it took %.1f s.\n", time.Since(began).Seconds())
	return nil
}

func (d *demo) startCloud() error {
	var err error
	// an external network of this process alone: other simulators may run on the same loopback interface
	public := fmt.Sprintf("127.%d.0.0/16", 70+os.Getpid()%180)
	if d.cloud, err = sim.New(sim.Options{Speed: d.speed, Password: demoPassword, PublicCIDR: public}); err != nil {
		return err
	}
	if err := d.cloud.Start("127.0.0.1:0"); err != nil {
		d.cloud.Close()
		return err
	}
	return nil
}

// startService starts API and conductor. What it returns ends them and tells how they ended.
func (d *demo) startService(ctx context.Context) (stop func() error, err error) {
	cfg, err := d.config()
	if err != nil {
		return nil, err
	}
	l, closeLog, err := log.New(cfg.Log, name)
	if err != nil {
		return nil, err
	}
	if d.local, err = newLocal(ctx, cfg, l, service.Parts{}, nil); err != nil {
		return nil, errors.Join(err, closeLog())
	}
	d.cloud.RegisterEndpoint("container-infra", "magnum", d.local.api.URL())
	fmt.Fprintf(d.out, "A simulated OpenStack, %g times as fast as a real one: Keystone at %s\nJeroboam with SQLite and a queue in memory: %s\nLog: %s\n",
		d.speed, d.cloud.AuthURL(), d.local.api.URL(), cfg.Log.LogFile)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the service outlives Ctrl-C until it is stopped in order
	done := make(chan error, 1)
	go func() { done <- d.local.run(running) }()
	return func() error {
		cancel()
		return errors.Join(<-done, d.local.close(), closeLog())
	}, nil
}

// config is that of production, but for database, queue and the pace.
func (d *demo) config() (*service.Config, error) {
	cfg, err := service.Defaults()
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	cfg.Database.Connection = sqlite(filepath.Join(d.folder, "jeroboam.sqlite"))
	cfg.Certificates.Type, cfg.Certificates.Keys = "x509keypair", []string{base64.StdEncoding.EncodeToString(key)}
	cfg.API.Host, cfg.API.Port, cfg.API.HealthFile = "127.0.0.1", 0, ""
	cfg.Policy.Dir = d.folder
	cfg.Conductor.PollInterval, cfg.Conductor.SweepInterval = 200*time.Millisecond, 100*time.Millisecond
	cfg.Log.LogFile = filepath.Join(d.folder, "jeroboam.log")
	cfg.AuthToken.AuthURL, cfg.AuthToken.Username, cfg.AuthToken.Password = d.cloud.AuthURL(), serviceUser, demoPassword
	cfg.Cloud.AuthURL, cfg.Cloud.Username, cfg.Cloud.Password = d.cloud.AuthURL(), serviceUser, demoPassword
	return cfg, nil
}

// play is what a user would do.
func (d *demo) play(ctx context.Context) error {
	var err error
	if d.person, err = login(ctx, d.cloud.AuthURL(), demoUser, demoPassword, demoUser); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nUser %s creates cluster template k8s and cluster %s: 3 control planes behind a load balancer, 2 workers.\n\n", demoUser, clusterName)
	id, err := d.person.createCluster(ctx)
	if err != nil {
		return err
	}
	if err := d.watch(ctx, id); err != nil {
		return err
	}
	if err := d.look(ctx, id); err != nil {
		return err
	}
	if d.keep {
		d.invite()
		<-ctx.Done()
		fmt.Fprintln(d.out, "\nStopped; the simulated cloud and everything in it are gone.")
		return nil
	}
	fmt.Fprintf(d.out, "\nUser %s deletes cluster %s.\n\n", demoUser, clusterName)
	if err := d.person.deleteCluster(ctx, id); err != nil {
		return err
	}
	if err := d.watch(ctx, id); err != nil {
		return err
	}
	return d.nothingLeft(ctx, id)
}

// watch shows what is being done to the cluster until its end, as `jeroboam cluster watch` does.
func (d *demo) watch(ctx context.Context, id string) error {
	return watchCluster(ctx, &clusterCall{shell: shell{stdout: d.out}, api: &apiClient{&containerinfra.Client{Service: d.person.infra}}}, []string{id})
}

// look lists the nodes from the cluster's own API, with a kubeconfig as users get it.
func (d *demo) look(ctx context.Context, id string) error {
	config, err := d.person.kubeconfig(ctx, id)
	if err != nil {
		return err
	}
	path := d.kubeconfig
	if path == "" {
		path = filepath.Join(d.folder, "kubeconfig")
	}
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	d.kubeconfig = path
	nodes, endpoint, err := listNodes(ctx, config)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nThe kubeconfig is in %s. The nodes, as %s tells them over TLS that its own CA vouches for:\n\n", path, endpoint)
	printNodes(d.out, nodes, time.Now())
	return expectNodes(nodes)
}

// nothingLeft asks the API and the cloud.
func (d *demo) nothingLeft(ctx context.Context, id string) error {
	if gone, err := d.person.clusterGone(ctx, id); err != nil || !gone {
		return errors.Join(errors.New("the API still shows the cluster"), err)
	}
	left := d.cloud.Resources("")
	fmt.Fprint(d.out, "\nWhat is left in the cloud: ")
	if len(left) == 0 {
		fmt.Fprintln(d.out, "nothing.")
		return nil
	}
	fmt.Fprintln(d.out)
	printLeft(d.out, left)
	return errors.New("the cloud is not empty")
}

// invite tells how to use what is running.
func (d *demo) invite() {
	fmt.Fprintf(d.out, `
Everything keeps running until Ctrl-C. In another terminal:

  export OS_AUTH_URL=%s OS_IDENTITY_API_VERSION=3
  export OS_USERNAME=%s OS_PASSWORD=%s OS_USER_DOMAIN_NAME=Default
  export OS_PROJECT_NAME=%s OS_PROJECT_DOMAIN_NAME=Default
  export KUBECONFIG=%s

  openstack coe cluster list
  openstack coe cluster show %s
  openstack coe nodegroup list %s
  openstack coe cluster resize %s 4
  openstack coe cluster create another --cluster-template k8s --master-count 1 --node-count 1
  openstack coe cluster config another --dir /tmp --force
  openstack server list
  kubectl get nodes
  openstack coe cluster delete %s
`, d.cloud.AuthURL(), demoUser, demoPassword, demoUser, d.kubeconfig, clusterName, clusterName, clusterName, clusterName)
}
