package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

func simulateFlags(f *flag.FlagSet) func(context.Context, shell) error {
	o := sim.Options{Quotas: map[string]int{}}
	var real sim.Keystone
	listen := f.String("listen", "127.0.0.1:8780", "`ADDRESS` and port to listen on")
	verbose := f.Bool("verbose", false, "log what happens in the cloud")
	f.Float64Var(&o.Speed, "speed", 10, "how many times `FASTER` than a real cloud; 0: as fast as possible")
	f.StringVar(&o.Password, "password", "secret", "`PASSWORD` of the users demo, alt_demo, admin and jeroboam")
	f.StringVar(&o.PublicCIDR, "public-cidr", "127.64.0.0/16", "`SUBNET` of floating IPs, within 127.0.0.0/8; two simulators want different ones")
	f.StringVar(&o.LANCIDR, "lan-cidr", "127.65.0.0/16", "`SUBNET` of the shared provider network, within 127.0.0.0/8")
	f.StringVar(&o.ContainerInfraURL, "container-infra-url", "", "`URL` of jeroboam-api for the catalogue, with /v1")
	f.Func("metal-nodes", "`NUMBER` of bare-metal nodes, 8 unless it is given", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return errors.New("it is a number of nodes")
		}
		o.Metal = sim.MetalNodes(n)
		return nil
	})
	f.BoolFunc("metal-latency", "let bare-metal nodes take minutes to be deployed, to boot and to be cleaned, as real ones do", func(string) error {
		o.Latency = sim.MetalLatency()
		return nil
	})
	f.Func("quota", "`NAME=LIMIT` of every project, such as instances=3; may be repeated", func(s string) error {
		n, value, _ := strings.Cut(s, "=")
		limit, err := strconv.Atoi(value)
		if err != nil || n == "" || limit < -1 {
			return errors.New("it is written NAME=LIMIT, where -1 is no limit")
		}
		o.Quotas[n] = limit
		return nil
	})
	f.StringVar(&real.URL, "keystone-url", "", "`URL` of a real Keystone, with /v3, that is to validate tokens")
	f.StringVar(&real.Username, "keystone-username", "", "`USER` who may validate tokens there")
	f.StringVar(&real.Password, "keystone-password", "", "`PASSWORD` of that user")
	f.StringVar(&real.UserDomain, "keystone-user-domain", "Default", "`DOMAIN` of that user")
	f.StringVar(&real.Project, "keystone-project", "service", "`PROJECT` of that user")
	f.StringVar(&real.ProjectDomain, "keystone-project-domain", "Default", "`DOMAIN` of that project")
	return func(ctx context.Context, s shell) error {
		if real.URL != "" {
			if real.Username == "" || real.Password == "" {
				return errors.New("--keystone-url wants --keystone-username and --keystone-password as well")
			}
			o.Keystone = &real
		}
		if *verbose {
			o.Log = slog.New(slog.NewTextHandler(s.stderr, nil))
		}
		return sim.Run(ctx, o, *listen, func(c *sim.Cloud) {
			fmt.Fprintf(s.stdout, "The simulated cloud is at %s; Keystone is %s\n", c.URL(), c.AuthURL())
		})
	}
}
