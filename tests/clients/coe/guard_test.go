package coe

import (
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

//go:embed commands.py
var commands string

// TestEveryOptionIsTyped: what a newer client brings is not forgotten here.
func TestEveryOptionIsTyped(t *testing.T) {
	testenv.Require(t, testenv.Real) // the client is installed where the services are
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", commands)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}
	out, err := cmd.Output()
	check(t, err)
	all := map[string][]string{}
	check(t, json.Unmarshal(out, &all))
	if len(all) < 28 {
		t.Errorf("the client has %d commands only", len(all))
	}
	lines := typed(t)
	for command, options := range all {
		var with []string
		found := false
		for _, words := range lines {
			if rest, ok := strings.CutPrefix(strings.Join(words, " ")+" ", "openstack "+command+" "); ok {
				found = true
				with = append(with, strings.Fields(rest)...)
			}
		}
		if !found {
			t.Errorf("openstack %s is in no transcript", command)
			continue
		}
		for _, o := range options {
			if !slices.Contains(with, o) {
				t.Errorf("openstack %s %s is in no transcript", command, o)
			}
		}
	}
}

// typed are the words of all commands in the transcripts.
func typed(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, path := range transcripts(t) {
		text, err := os.ReadFile(path)
		check(t, err)
		for _, s := range parse(string(text)) {
			if s.command != "" {
				all = append(all, strings.Fields(s.command))
			}
		}
	}
	return all
}

// transcripts are the files, in the order of the story.
func transcripts(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	if len(paths) == 0 {
		t.Fatal("there are no transcripts")
	}
	return paths
}
