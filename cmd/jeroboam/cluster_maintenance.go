package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

func (a *apiClient) maintenance(ctx context.Context, cluster string) (wire.Maintenance, error) {
	var m wire.Maintenance
	return m, a.Get(ctx, containerinfra.ClusterPath(cluster, "/maintenance"), nil, &m)
}

func (a *apiClient) setMaintenance(ctx context.Context, cluster string, want ops.Maintenance) (wire.Maintenance, error) {
	var m wire.Maintenance
	_, err := a.Service.Put(ctx, a.Service.ServiceURL(containerinfra.ClusterPath(cluster, "/maintenance")), want, &m, a.Options(http.StatusOK)) //nolint:bodyclose // read to its end
	return m, containerinfra.Told(err)
}

func (a *apiClient) unsetMaintenance(ctx context.Context, cluster string) error {
	_, err := a.Service.Delete(ctx, a.Service.ServiceURL(containerinfra.ClusterPath(cluster, "/maintenance")), a.Options(http.StatusNoContent)) //nolint:bodyclose // it has none
	return containerinfra.Told(err)
}

func showMaintenance(ctx context.Context, c *clusterCall, args []string) error {
	m, err := c.api.maintenance(ctx, args[0])
	if err != nil {
		return err
	}
	return c.writeMaintenance(m)
}

func (c *clusterCall) writeMaintenance(m wire.Maintenance) error {
	var windows, hibernate, resume any = m.Windows, m.Hibernate, m.Resume
	if c.out.format == "table" || c.out.format == "value" {
		var l []string
		for _, w := range m.Windows {
			l = append(l, fmt.Sprintf("%s %s", weeklyText(w.Weekly), time.Duration(w.Duration)*time.Minute))
		}
		windows, hibernate, resume = strings.Join(l, "\n"), weeklyTexts(m.Hibernate), weeklyTexts(m.Resume)
	}
	return c.out.write(c.stdout, listing{one: true, columns: []string{"time_zone", "windows", "open", "next_window", "auto_upgrade", "hibernate", "resume", "hibernated"},
		rows: [][]any{{m.TimeZone, windows, m.Open, m.NextWindow, m.AutoUpgrade, hibernate, resume, m.Hibernated}}})
}

func weeklyText(w ops.Weekly) string {
	if len(w.Days) == 0 {
		return w.Time
	}
	return strings.Join(w.Days, ",") + " " + w.Time
}

func weeklyTexts(l []ops.Weekly) string {
	var out []string
	for _, w := range l {
		out = append(out, weeklyText(w))
	}
	return strings.Join(out, "\n")
}

// maintenanceFlags: what is not given is unset, as in the API.
func maintenanceFlags(f *flag.FlagSet) clusterAction {
	var m ops.Maintenance
	f.StringVar(&m.TimeZone, "time-zone", "", "`ZONE` of all times, such as Europe/Berlin; UTC when there is none")
	f.BoolVar(&m.AutoUpgrade, "auto-upgrade", false, "upgrade to the newest patch of the cluster's Kubernetes version within the windows")
	f.Func("window", "`[DAYS] TIME DURATION` when healing and upgrades by themselves may begin, such as 'sat,sun 02:00 4h'; may be given several times", func(v string) error {
		words := strings.Fields(v)
		if len(words) < 2 {
			return fmt.Errorf("%q is not [DAYS] TIME DURATION", v)
		}
		d, err := time.ParseDuration(words[len(words)-1])
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 4h or 90m", words[len(words)-1])
		}
		w, err := parseWeekly(words[:len(words)-1])
		m.Windows = append(m.Windows, ops.Window{Weekly: w, Duration: int(d / time.Minute)})
		return err
	})
	for name, into := range map[string]*[]ops.Weekly{"hibernate": &m.Hibernate, "resume": &m.Resume} {
		f.Func(name, "`[DAYS] TIME` when workers "+map[string]string{"hibernate": "go", "resume": "come back"}[name]+", such as 'mon-fri 20:00'; may be given several times", func(v string) error {
			w, err := parseWeekly(strings.Fields(v))
			*into = append(*into, w)
			return err
		})
	}
	return func(ctx context.Context, c *clusterCall, args []string) error {
		set, err := c.api.setMaintenance(ctx, args[0], m)
		if err != nil {
			return err
		}
		return c.writeMaintenance(set)
	}
}

// parseWeekly reads «mon-fri,sun 20:00» or «20:00».
func parseWeekly(words []string) (ops.Weekly, error) {
	switch len(words) {
	case 1:
		return ops.Weekly{Time: words[0]}, nil
	case 2:
		days, err := parseDays(words[0])
		return ops.Weekly{Days: days, Time: words[1]}, err
	}
	return ops.Weekly{}, fmt.Errorf("%q is not [DAYS] TIME", strings.Join(words, " "))
}

func parseDays(list string) ([]string, error) {
	week := strings.Fields("mon tue wed thu fri sat sun")
	var out []string
	for part := range strings.SplitSeq(strings.ToLower(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		i, j := slices.Index(week, first), slices.Index(week, last)
		if i < 0 || j < 0 {
			return nil, fmt.Errorf("%q is not a day or a range of days such as mon-fri", part)
		}
		for ; i != j; i = (i + 1) % len(week) {
			out = append(out, week[i])
		}
		out = append(out, week[j])
	}
	return out, nil
}

func unsetMaintenance(ctx context.Context, c *clusterCall, args []string) error {
	if err := c.api.unsetMaintenance(ctx, args[0]); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "Cluster %s has no maintenance windows and no schedule any more.\n", args[0])
	return nil
}

// restCluster asks for the workers of a cluster to go or to come back.
func restCluster(action string) clusterAction {
	return func(ctx context.Context, c *clusterCall, args []string) error {
		if err := c.api.Post(ctx, containerinfra.ClusterPath(args[0], "/actions/"+action), nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "Request to %s cluster %s has been accepted.\n", action, args[0])
		return nil
	}
}
