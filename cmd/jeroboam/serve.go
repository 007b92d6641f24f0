package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/systemd"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

// account is an entry of clouds.yaml.
type account struct {
	name     string
	auth     gophercloud.AuthOptions
	endpoint gophercloud.EndpointOpts
	tls      *tls.Config
}

type serveOptions struct {
	cloud, listen, cacert, data string
	debug                       bool
	files                       serveFiles
	ready                       func(url string) // for tests; called once it serves
}

func serveFlags(f *flag.FlagSet) func(context.Context, shell) error {
	o := &serveOptions{}
	o.files.flags(f)
	f.StringVar(&o.cloud, "os-cloud", os.Getenv("OS_CLOUD"), "`NAME` of the account in clouds.yaml (OS_CLOUD)")
	f.StringVar(&o.listen, "listen", "127.0.0.1:9511", "`ADDRESS` and port of the API")
	f.StringVar(&o.cacert, "cacert", os.Getenv("OS_CACERT"), "`FILE` with the CA certificates of the cloud, when clouds.yaml names one (OS_CACERT)")
	f.StringVar(&o.data, "data-dir", "", "`FOLDER` for the database and its key; unset: jeroboam/NAME in your data folder (XDG_DATA_HOME)")
	f.BoolVar(&o.debug, "debug", false, "log step by step")
	return func(ctx context.Context, s shell) error { return o.run(ctx, s) }
}

// run serves the account, or what the configuration says, until ctx ends.
func (o *serveOptions) run(ctx context.Context, s shell) error {
	if o.cloud == "" && o.files.named() {
		return o.serveConfiguration(ctx, s)
	}
	a, err := o.account()
	if err != nil {
		return err
	}
	folder, err := openData(o.data, a.name)
	if err != nil {
		return err
	}
	cfg, warnings, err := o.config(a, folder)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(s.stderr, "warning:", w)
	}
	l, closeLog, err := log.New(cfg.Log, name)
	if err != nil {
		return err
	}
	defer func() { _ = closeLog() }()
	factory, err := cloud.NewFactoryWith(cfg.Cloud, a.auth, a.tls)
	if err != nil {
		return err
	}
	defer factory.Close()
	tokens, err := newOwnTokens(ctx, a, factory)
	if err != nil {
		return err
	}
	running, err := newLocal(ctx, cfg, l, service.Parts{Clouds: factory, OwnCredentials: true}, tokens)
	if err != nil {
		return err
	}
	o.tell(s, a, folder, running.api.URL())
	l.Info("started", zap.String("cloud", a.name), zap.String("url", running.api.URL()))
	systemd.Notify(ctx, l)
	if o.ready != nil {
		o.ready(running.api.URL())
	}
	return errors.Join(running.run(ctx), running.close())
}

// account reads clouds.yaml, where the OpenStack client reads it.
func (o *serveOptions) account() (*account, error) {
	if o.cloud == "" {
		return nil, errors.New("--os-cloud NAME, or OS_CLOUD, has to say which account of clouds.yaml is to be served, or --config-file how a whole cloud is")
	}
	options := []clouds.ParseOption{clouds.WithCloudName(o.cloud)}
	if o.cacert != "" {
		options = append(options, clouds.WithCACertPath(o.cacert))
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(options...)
	if err != nil {
		return nil, fmt.Errorf("reading clouds.yaml: %w", err)
	}
	a := &account{name: o.cloud, auth: auth, endpoint: endpoint, tls: tlsConfig}
	if auth.TokenID != "" {
		return nil, fmt.Errorf("cloud %s has a token, which ends before clusters do: use a password or an application credential", a.name)
	}
	return a, nil
}

// config is what one person needs, beside what files say that the account does not decide. The warnings are about those.
func (o *serveOptions) config(a *account, d *dataFolder) (*service.Config, []string, error) {
	var sources oslo.Sources
	if o.files.named() {
		sources = o.files.sources
	}
	cfg, warnings, err := service.LoadUnchecked(sources)
	if err != nil {
		return nil, nil, err
	}
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen %q: it is written ADDRESS:PORT", o.listen)
	}
	if cfg.API.Port, err = strconv.Atoi(port); err != nil || cfg.API.Port < 0 || cfg.API.Port > 65535 {
		return nil, nil, fmt.Errorf("--listen %q: the port is a number up to 65535", o.listen)
	}
	cfg.API.Host, cfg.API.HealthFile = host, ""
	cfg.Log.Debug = cfg.Log.Debug || o.debug
	cfg.Database.Connection = sqlite(d.database())
	cfg.Certificates.Type, cfg.Certificates.Keys = "x509keypair", []string{d.key}
	cfg.Policy.Dir = d.path
	cfg.AuthToken.WWWAuthenticateURI = a.auth.IdentityEndpoint
	cfg.ServiceUser.Roles = nil // there are no service users
	cfg.Cloud = cloud.Config{AuthURL: a.auth.IdentityEndpoint, RegionName: a.endpoint.Region, Interface: string(a.endpoint.Availability),
		Timeout: cfg.Cloud.Timeout}
	return cfg, warnings, nil
}

func (o *serveOptions) tell(s shell, a *account, d *dataFolder, url string) {
	if ip := net.ParseIP(hostOf(o.listen)); ip == nil || !ip.IsLoopback() {
		fmt.Fprintln(s.stderr, "warning: this is plain HTTP; tokens can be read on the way from other machines")
	}
	fmt.Fprintf(s.stdout, `Serving your account %[1]s at %[2]s; what has to be kept is in %[3]s.

The OpenStack client finds it by a line in the entry %[1]s of clouds.yaml,

  container_infra_endpoint_override: %[2]s

or, with OS_AUTH_URL and the like instead of clouds.yaml, by

  export OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE=%[2]s

Then: openstack --os-cloud %[1]s coe cluster list
`, a.name, url, d.path)
}

func hostOf(listen string) string {
	host, _, _ := net.SplitHostPort(listen)
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}
