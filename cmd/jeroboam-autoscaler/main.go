// Command jeroboam-autoscaler is the cloud provider of a cluster for cluster-autoscaler, which asks it by the protocol of
// its provider «externalgrpc». It is a client of the API like any other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	osauth "github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/systemd"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/version"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

const name = "jeroboam-autoscaler"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// drainTimeout bounds the calls under way at the end.
const drainTimeout = 30 * time.Second

type options struct {
	who             osauth.Credentials
	cluster, listen string
	tls             tlsFiles
	debug, version  bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.cluster, "cluster", "", "`NAME` or UUID of the cluster")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8086", "`ADDRESS` and port that cluster-autoscaler asks")
	o.tls.register(flags)
	o.who.Register(flags)
	flags.BoolVar(&o.debug, "debug", false, "log every call")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: %s --cluster NAME --tls-cert FILE --tls-key FILE --client-ca FILE [options]\n\n"+
			"Lets cluster-autoscaler resize those node groups of a cluster that have a max_node_count.\n\n", name)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case o.version:
		fmt.Fprintln(stdout, name, version.String())
		return 0
	case flags.NArg() > 0 || o.cluster == "":
		flags.Usage()
		return 2
	}
	if err := o.serve(ctx); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// serve answers until ctx ends.
func (o *options) serve(ctx context.Context) error {
	secure, err := o.tls.config()
	if err != nil {
		return err
	}
	l, closeLog, err := log.New(log.Config{Debug: o.debug}, name)
	if err != nil {
		return err
	}
	defer func() { _ = closeLog() }()
	p, err := o.provider(ctx, l)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(secure)), grpc.UnaryInterceptor(p.intercept))
	externalgrpc.RegisterCloudProviderServer(s, p)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		late := time.AfterFunc(drainTimeout, s.Stop)
		defer late.Stop()
		s.GracefulStop()
	})
	l.Info("started", zap.String("version", version.String()), zap.String("address", listener.Addr().String()), zap.String("cluster", p.cluster))
	systemd.Notify(ctx, l)
	if err := s.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // the latter: ctx ended first
		return fmt.Errorf("serving gRPC: %w", err)
	}
	<-stopped
	l.Info("stopped")
	return nil
}

// provider signs in and finds the cluster, so that what is wrong with either is known at once.
func (o *options) provider(ctx context.Context, l *zap.Logger) (*provider, error) {
	auth, endpoint, err := o.who.Provider(ctx)
	if err != nil {
		return nil, err
	}
	api, err := containerinfra.New(o.who, auth, endpoint)
	if err != nil {
		return nil, err
	}
	nova, err := openstack.NewComputeV2(auth, endpoint)
	if err != nil {
		return nil, fmt.Errorf("looking for compute in the catalogue: %w", err)
	}
	var cluster struct{ UUID string }
	if err := api.Get(ctx, containerinfra.ClusterPath(o.cluster, ""), nil, &cluster); err != nil {
		return nil, fmt.Errorf("looking for the cluster: %w", err)
	}
	return &provider{api: api, nova: nova, cluster: cluster.UUID, log: l}, nil
}
