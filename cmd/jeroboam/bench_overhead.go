package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/overhead"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

// errUnmeasured: the rows say what was not; the exit code says it to scripts.
var errUnmeasured = errors.New("not everything could be measured")

func overheadCommand() clusterCommand {
	return clusterCommand{words: "overhead", arguments: "CLUSTER", help: "compare the node groups of a cluster with bare metal, by the same work on each", least: 1, most: 1, flags: overheadFlags,
		about: "Does the same work for CPU, memory, disk and network in Jobs on a node of each group, one after the other, and tells their speed\n" +
			"in shares of the bare-metal group's, or where there is none of the best. The image is any that has this program in it, which\n" +
			"needs nothing else: two lines, FROM scratch and COPY jeroboam /jeroboam. What is made goes at the end, also when it is interrupted."}
}

func overheadFlags(f *flag.FlagSet) clusterAction {
	o := overhead.Options{Works: overhead.Works(), Labels: overhead.Labels{Group: ops.NodeGroupLabel, Runtime: ops.RuntimeLabel}, Poll: time.Second}
	f.StringVar(&o.Image, "image", "", "`IMAGE` of the Jobs' containers, which nodes can pull")
	f.StringVar(&o.Program, "program", "/jeroboam", "`PATH` of this program in it")
	f.IntVar(&o.Samples, "samples", 5, "`NUMBER` of samples of each work; their median counts")
	f.DurationVar(&o.SampleTime, "time", 2*time.Second, "`TIME` of each sample")
	f.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "`TIME` that one work may take on one node, with the pull of the image")
	f.StringVar(&o.Labels.Metal, "bare-metal-label", "jeroboam.cloud/server-type=bm", "`KEY[=VALUE]` of the label that bare-metal nodes have")
	f.Func("work", "`KIND` to do, of "+strings.Join(overhead.Works(), ", ")+"; may be given several times; without it all", func(v string) error {
		if !slices.Contains(overhead.Works(), v) {
			return fmt.Errorf("there are %s", strings.Join(overhead.Works(), ", "))
		}
		if len(o.Works) == len(overhead.Works()) {
			o.Works = nil
		}
		o.Works = append(o.Works, v)
		return nil
	})
	return func(ctx context.Context, c *clusterCall, args []string) error {
		if o.Image == "" {
			return errors.New("--image is needed: one with this program in it")
		}
		if most := 50; o.Samples < 1 || o.Samples > most || o.SampleTime <= 0 || o.SampleTime > o.Timeout {
			return fmt.Errorf("--samples is to be from 1 to %d, and --time more than nothing and within --timeout", most)
		}
		o.Progress = func(what string) { fmt.Fprintf(c.stderr, "%s …\n", what) }
		return c.compare(ctx, args[0], o)
	}
}

// compare measures and shows the outcome.
func (c *clusterCall) compare(ctx context.Context, cluster string, o overhead.Options) error {
	service := *c.api.Service
	service.Microversion = "1.14"
	kubeconfig, err := (&person{&service}).kubeconfig(ctx, cluster)
	if err != nil {
		return err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.Timeout = 30 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of the cluster: %w", err)
	}
	rows, err := overhead.Measure(ctx, client, o)
	if err != nil {
		return err
	}
	if err := c.out.write(c.stdout, comparison(rows, c.out.format == "json" || c.out.format == "yaml")); err != nil {
		return err
	}
	if c.out.format == "table" {
		fmt.Fprintln(c.stdout, overhead.QuotedMeaning)
	}
	if slices.ContainsFunc(rows, func(r overhead.Row) bool { return r.Err != nil }) {
		return errUnmeasured
	}
	return nil
}

// comparison lists each work of each group; in documents with numbers that others can go on with, shares as parts of 1.
func comparison(rows []overhead.Row, document bool) listing {
	number := func(v float64, text func(float64) string) any {
		if document {
			return v
		}
		return text(v)
	}
	l := listing{columns: []string{"node_group", "node", "machine", "runtime", "work", "median", "unit", "spread", "share", "quoted", "problem"}}
	for _, r := range rows {
		machine := "vm"
		if r.Metal {
			machine = "bm"
		}
		runtime := r.Runtime
		if runtime == "" {
			runtime = ops.RuntimeRunc
		}
		row := []any{r.Group, r.Node, machine, runtime, r.Work, nil, nil, nil, nil, nil, nil}
		if r.Err != nil {
			row[10] = r.Err.Error()
			l.rows = append(l.rows, row)
			continue
		}
		row[5], row[6], row[7], row[8] = number(r.Median(), speed), r.Unit, number(r.Spread(), percent), number(r.Share, percent)
		if r.QuotedFor() {
			row[9] = number(overhead.Quoted, percent)
		}
		l.rows = append(l.rows, row)
	}
	return l
}
