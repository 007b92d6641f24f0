package ops

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // API and conductor agree on time zones, whatever their machines know of them
)

// Maintenance is when a cluster may be changed by itself, and when its workers rest (db.Cluster.Maintenance).
type Maintenance struct {
	TimeZone string `json:"time_zone,omitempty"` // of all times below; "": UTC
	// Windows are when healing and upgrades by themselves may begin. Without one nothing is held back.
	Windows []Window `json:"windows,omitempty"`
	// AutoUpgrade: the newest patch of the cluster's Kubernetes version is installed within the windows.
	AutoUpgrade bool `json:"auto_upgrade,omitempty"`
	// Hibernate and Resume are when workers go and when they come back.
	Hibernate []Weekly `json:"hibernate,omitempty"`
	Resume    []Weekly `json:"resume,omitempty"`
}

// Weekly is a time on days of the week.
type Weekly struct {
	Days []string `json:"days,omitempty"` // mon, tue, …; empty: every day
	Time string   `json:"time"`           // 15:04
}

// Window is a time on days of the week, and how long it stays open.
type Window struct {
	Weekly
	Duration int `json:"duration"` // minutes
}

const (
	clock = "15:04"
	week  = 7 * 24 * time.Hour
	// maxTimes bounds what a cluster's row holds.
	maxTimes = 50
)

// days are the names of time.Weekday.
func days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// ParseMaintenance reads what is stored; nothing is stored as {}.
func ParseMaintenance(raw []byte) (Maintenance, error) {
	var m Maintenance
	if len(raw) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("reading the maintenance of a cluster: %w", err)
	}
	return m, nil
}

// Check names everything that is wrong, by its field.
func (m Maintenance) Check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if _, err := time.LoadLocation(m.TimeZone); err != nil || m.TimeZone == "Local" {
		bad("time_zone", "%q is no time zone such as Europe/Berlin", m.TimeZone)
	}
	for i, w := range m.Windows {
		field := fmt.Sprintf("windows/%d", i)
		w.check(field, bad)
		if w.Duration < 1 || time.Duration(w.Duration)*time.Minute > week {
			bad(field+"/duration", "%d is not between 1 minute and a week", w.Duration)
		}
	}
	for name, l := range map[string][]Weekly{"hibernate": m.Hibernate, "resume": m.Resume} {
		for i, w := range l {
			w.check(fmt.Sprintf("%s/%d", name, i), bad)
		}
	}
	if n := len(m.Windows) + len(m.Hibernate) + len(m.Resume); n > maxTimes {
		bad("windows", "there are %d times, at most %d are possible", n, maxTimes)
	}
	if m.AutoUpgrade && len(m.Windows) == 0 {
		bad("auto_upgrade", "it needs a window")
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (w Weekly) check(field string, bad func(field, format string, args ...any)) {
	if t, err := time.Parse(clock, w.Time); err != nil || t.Format(clock) != w.Time {
		bad(field+"/time", "%q is no time of day such as 02:30", w.Time)
	}
	for _, d := range w.Days {
		if !slices.Contains(days(), d) {
			bad(field+"/days", "%q is not one of %s", d, strings.Join(days(), ", "))
		}
	}
}

func (m Maintenance) zone() *time.Location {
	z, err := time.LoadLocation(m.TimeZone)
	if err != nil {
		return time.UTC // it was checked when it was stored
	}
	return z
}

// Open tells whether something may be begun now.
func (m Maintenance) Open(now time.Time) bool {
	if len(m.Windows) == 0 {
		return true
	}
	return slices.ContainsFunc(m.Windows, func(w Window) bool {
		began, ok := w.last(now, m.zone())
		return ok && now.Before(began.Add(time.Duration(w.Duration)*time.Minute))
	})
}

// NextWindow is when the next one opens after now; ok is false without windows.
func (m Maintenance) NextWindow(now time.Time) (at time.Time, ok bool) {
	for _, w := range m.Windows {
		if t, has := w.next(now, m.zone()); has && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}

// Scheduled gives what the schedule asked for last in the time after since and up to now: ClusterHibernate or
// ClusterResume. Where both fall on one minute the cluster rests.
func (m Maintenance) Scheduled(since, now time.Time) (kind Kind, ok bool) {
	var at time.Time
	for _, x := range []struct {
		kind  Kind
		times []Weekly
	}{{ClusterHibernate, m.Hibernate}, {ClusterResume, m.Resume}} {
		for _, w := range x.times {
			if t, has := w.last(now, m.zone()); has && t.After(since) && t.After(at) {
				kind, at, ok = x.kind, t, true
			}
		}
	}
	return kind, ok
}

// last is the latest occurrence up to now, next the earliest after it. Days are counted by the calendar, so that a change
// of the clock moves nothing.
func (w Weekly) last(now time.Time, zone *time.Location) (time.Time, bool) {
	for back := range 8 {
		if t, ok := w.on(now.In(zone).AddDate(0, 0, -back)); ok && !t.After(now) {
			return t, true
		}
	}
	return time.Time{}, false
}

func (w Weekly) next(now time.Time, zone *time.Location) (time.Time, bool) {
	for ahead := range 8 {
		if t, ok := w.on(now.In(zone).AddDate(0, 0, ahead)); ok && t.After(now) {
			return t, true
		}
	}
	return time.Time{}, false
}

// on is the occurrence on the day of t, if there is one.
func (w Weekly) on(t time.Time) (time.Time, bool) {
	at, err := time.Parse(clock, w.Time)
	if err != nil || len(w.Days) > 0 && !slices.Contains(w.Days, days()[t.Weekday()]) {
		return time.Time{}, false
	}
	return time.Date(t.Year(), t.Month(), t.Day(), at.Hour(), at.Minute(), 0, 0, t.Location()), true
}
