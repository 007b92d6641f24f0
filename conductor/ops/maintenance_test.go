package ops

import (
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestWindows: 2026-11-25 is a Wednesday; Berlin leaves summer time on 2026-10-25 at 03:00.
func TestWindows(t *testing.T) {
	night := Maintenance{TimeZone: "Europe/Berlin", Windows: []Window{{Weekly{Days: []string{"wed", "sat"}, Time: "23:00"}, 180}}}
	for _, tc := range []struct {
		name string
		m    Maintenance
		now  string
		open bool
		next string
	}{
		{"no window holds nothing back", Maintenance{}, "2026-11-25T12:00:00Z", true, ""},
		{"before", night, "2026-11-25T21:59:00Z", false, "2026-11-25T22:00:00Z"},
		{"begin", night, "2026-11-25T22:00:00Z", true, "2026-11-28T22:00:00Z"},
		{"past midnight", night, "2026-11-26T00:59:00Z", true, "2026-11-28T22:00:00Z"},
		{"end", night, "2026-11-26T01:00:00Z", false, "2026-11-28T22:00:00Z"},
		{"summer time", night, "2026-07-01T20:59:59Z", false, "2026-07-01T21:00:00Z"},
		{"a week long", Maintenance{Windows: []Window{{Weekly{Days: []string{"mon"}, Time: "00:00"}, 7 * 24 * 60}}}, "2026-11-29T23:59:00Z", true, "2026-11-30T00:00:00Z"},
		{"every day", Maintenance{Windows: []Window{{Weekly{Time: "02:00"}, 60}}}, "2026-11-25T02:30:00Z", true, "2026-11-26T02:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := at(t, tc.now)
			if open := tc.m.Open(now); open != tc.open {
				t.Errorf("open is %v", open)
			}
			next, ok := tc.m.NextWindow(now)
			if ok != (tc.next != "") || ok && !next.Equal(at(t, tc.next)) {
				t.Errorf("the next window is at %v, %v", next.UTC(), ok)
			}
		})
	}
}

func TestSchedule(t *testing.T) {
	m := Maintenance{TimeZone: "Europe/Berlin", Hibernate: []Weekly{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, Time: "20:00"}},
		Resume: []Weekly{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, Time: "07:00"}}}
	for _, tc := range []struct {
		name, since, now string
		want             Kind
	}{
		{"nothing yet", "2026-11-25T07:00:00Z", "2026-11-25T18:59:00Z", ""},
		{"evening", "2026-11-25T07:00:00Z", "2026-11-25T19:00:00Z", ClusterHibernate},
		{"done", "2026-11-25T19:00:01Z", "2026-11-25T20:00:00Z", ""},
		{"morning", "2026-11-25T19:00:01Z", "2026-11-26T06:00:30Z", ClusterResume},
		{"two were missed: the last counts", "2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z", ClusterResume},
		{"the weekend", "2026-11-27T19:30:00Z", "2026-11-29T23:00:00Z", ""},
		{"a week was missed", "2026-11-01T00:00:00Z", "2026-11-28T12:00:00Z", ClusterHibernate},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := m.Scheduled(at(t, tc.since), at(t, tc.now))
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}

func TestMaintenanceIsChecked(t *testing.T) {
	bad := Maintenance{TimeZone: "Mars/Base", AutoUpgrade: true, Hibernate: []Weekly{{Days: []string{"noday"}, Time: "25:00"}}, Resume: []Weekly{{Time: "7:00"}}}
	err := bad.Check()
	if err == nil {
		t.Fatal("it is accepted")
	}
	for _, want := range []string{"time_zone", "hibernate/0/days", "hibernate/0/time", "resume/0/time", "auto_upgrade"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
	for _, minutes := range []int{0, -1, 10081} {
		if err := (Maintenance{Windows: []Window{{Weekly{Time: "02:00"}, minutes}}}).Check(); err == nil {
			t.Errorf("a window of %d minutes is accepted", minutes)
		}
	}
	good := Maintenance{TimeZone: "Europe/Berlin", AutoUpgrade: true, Windows: []Window{{Weekly{Days: []string{"sat"}, Time: "02:00"}, 240}}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestNewerPatch(t *testing.T) {
	for _, tc := range []struct {
		than, version string
		want          bool
	}{
		{"v1.37.2", "v1.37.3", true}, {"v1.37.2", "v1.37.10", true}, {"v1.37.2", "v1.37.2", false}, {"v1.37.2", "v1.37.1", false},
		{"v1.37.2", "v1.38.0", false}, {"v1.37.2", "v1.37.3-rc.1", false}, {"v1.37.2", "1.37.3", false}, {"v1.37.2", "", false},
	} {
		if got := NewerPatch(tc.than, tc.version); got != tc.want {
			t.Errorf("%s after %s: %v", tc.version, tc.than, got)
		}
	}
}
