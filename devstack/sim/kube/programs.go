package kube

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/interp"
)

// process is a run of a program in a script.
type process struct {
	shell *shell
	ctx   interp.HandlerContext
	args  []string
}

func (p *process) drive() *drive { return p.shell.machine.drive }

// programs are what a host has, as far as the scripts of this project use them: options beyond that are errors.
func programs() map[string]func(context.Context, *process) error {
	return map[string]func(context.Context, *process) error{
		"install": install, "mv": move, "rm": remove, "mkdir": makeFolder, "sed": sed, "base64": encode, "sleep": sleep, "sha256sum": sum,
		"curl": curl, "systemctl": systemctl, "kubeadm": kubeadm,
	}
}

// install -m MODE FROM TO
func install(_ context.Context, p *process) error {
	if len(p.args) != 4 || p.args[0] != "-m" {
		return usage(p)
	}
	mode, err := strconv.ParseUint(p.args[1], 8, 12)
	if err != nil {
		return fmt.Errorf("invalid mode '%s'", p.args[1])
	}
	content, err := p.drive().read(p.args[2])
	if err != nil {
		return fmt.Errorf("cannot stat '%s': No such file or directory", p.args[2])
	}
	if to := path.Dir(p.args[3]); !p.drive().isFolder(to) {
		return fmt.Errorf("cannot create regular file '%s': No such file or directory", p.args[3])
	}
	p.drive().write(p.args[3], content, uint32(mode))
	return nil
}

func move(_ context.Context, p *process) error {
	if len(p.args) != 2 {
		return usage(p)
	}
	return p.drive().rename(p.args[0], p.args[1])
}

// rm -f FILE…
func remove(_ context.Context, p *process) error {
	if len(p.args) < 2 || p.args[0] != "-f" {
		return usage(p)
	}
	for _, name := range p.args[1:] {
		p.drive().remove(name)
	}
	return nil
}

// mkdir -p FOLDER
func makeFolder(_ context.Context, p *process) error {
	if len(p.args) != 2 || p.args[0] != "-p" {
		return usage(p)
	}
	p.drive().write(path.Join(p.args[1], ".folder"), nil, 0o600)
	return nil
}

// base64 -w 0 FILE
func encode(_ context.Context, p *process) error {
	if len(p.args) != 3 || p.args[0] != "-w" || p.args[1] != "0" {
		return usage(p)
	}
	content, err := p.drive().read(p.args[2])
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.ctx.Stdout, base64.StdEncoding.EncodeToString(content))
	return err
}

func sleep(ctx context.Context, p *process) error {
	if len(p.args) != 1 {
		return usage(p)
	}
	seconds, err := strconv.Atoi(p.args[0])
	if err != nil {
		return fmt.Errorf("invalid time interval '%s'", p.args[0])
	}
	return p.shell.node.clock.Sleep(ctx, time.Duration(seconds)*time.Second)
}

// sha256sum -c -, of one line
func sum(_ context.Context, p *process) error {
	if len(p.args) != 2 || p.args[0] != "-c" || p.args[1] != "-" {
		return usage(p)
	}
	line, err := bufio.NewReader(p.ctx.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	want, name, found := strings.Cut(strings.TrimSpace(line), "  ")
	if !found {
		return errors.New("no properly formatted checksum lines found")
	}
	content, err := p.drive().read(name)
	if err != nil {
		return err
	}
	if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != want {
		return errors.New("WARNING: 1 computed checksum did NOT match")
	}
	return nil
}

var (
	binaryURL    = regexp.MustCompile(`^https?://[^/]+/(?:.*/)?(v1\.\d+\.\d+)/(?:.*/)?(amd64|arm64)/(kubeadm|kubelet|kubectl)$`)
	sedDelete    = regexp.MustCompile(`^/(.*)/d$`)
	sedReplace   = regexp.MustCompile(`(?s)^s\|(.*)\|(.*)\|$`)
	sedGroupCall = regexp.MustCompile(`\\([1-9])`)
)

// binary is what Kubernetes' downloads have under a version.
func binary(name, version, arch string) []byte {
	return []byte("simulated " + name + " " + version + " " + arch + "\n")
}

// BinarySum is the checksum of a simulated binary.
func BinarySum(name, version, arch string) string {
	got := sha256.Sum256(binary(name, version, arch))
	return hex.EncodeToString(got[:])
}

// curl -fsSL --retry 3 -o FILE URL. The world outside has all versions of Kubernetes, and nothing else. Whom the host's own
// API server can be believed by is told by curl -sS -o /dev/null --noproxy * --max-time 5 --cacert FILE URL.
func curl(_ context.Context, p *process) error {
	if len(p.args) == 10 && strings.Join(p.args[:8], " ") == "-sS -o /dev/null --noproxy * --max-time 5 --cacert" {
		return p.askOwnAPI(p.args[8], p.args[9])
	}
	if len(p.args) != 6 || strings.Join(p.args[:4], " ") != "-fsSL --retry 3 -o" {
		return usage(p)
	}
	match := binaryURL.FindStringSubmatch(p.args[5])
	if match == nil {
		return errors.New("(22) The requested URL returned error: 404")
	}
	p.drive().write(p.args[4], binary(match[3], match[1], match[2]), p.shell.created(0o666))
	return nil
}

// sed [-e] SCRIPT… FILE, with commands /…/d and s|…|…| in basic regular expressions
func sed(_ context.Context, p *process) error {
	var commands []string
	rest := p.args
	for len(rest) > 2 && rest[0] == "-e" {
		commands, rest = append(commands, rest[1]), rest[2:]
	}
	if len(commands) == 0 && len(rest) == 2 {
		commands, rest = rest[:1], rest[1:]
	}
	if len(commands) == 0 || len(rest) != 1 {
		return usage(p)
	}
	content, err := p.drive().read(rest[0])
	if err != nil {
		return fmt.Errorf("can't read %s: No such file or directory", rest[0])
	}
	for line := range strings.Lines(string(content)) {
		line, kept := strings.TrimSuffix(line, "\n"), true
		for _, command := range commands {
			if line, kept, err = edit(line, command); err != nil || !kept {
				break
			}
		}
		if err != nil {
			return err
		}
		if kept {
			if _, err := io.WriteString(p.ctx.Stdout, line+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// edit applies one command of sed to a line.
func edit(line, command string) (string, bool, error) {
	if match := sedDelete.FindStringSubmatch(command); match != nil {
		pattern, err := basicRegexp(match[1])
		return line, err == nil && !pattern.MatchString(line), err
	}
	match := sedReplace.FindStringSubmatch(command)
	if match == nil {
		return "", false, fmt.Errorf("-e expression: unknown command: %q", command)
	}
	pattern, err := basicRegexp(match[1])
	if err != nil {
		return "", false, err
	}
	at := pattern.FindStringSubmatchIndex(line)
	if at == nil {
		return line, true, nil
	}
	replacement := strings.ReplaceAll(match[2], "$", "$$")
	replacement = sedGroupCall.ReplaceAllString(replacement, "$${$1}")
	replacement = strings.ReplaceAll(strings.ReplaceAll(replacement, "&", "${0}"), `\n`, "\n")
	return line[:at[0]] + string(pattern.ExpandString(nil, replacement, line, at)) + line[at[1]:], true, nil
}

// basicRegexp turns a basic regular expression into Go's: what has a backslash there has none here.
func basicRegexp(basic string) (*regexp.Regexp, error) {
	return regexp.Compile(strings.NewReplacer(`\(`, "(", `\)`, ")", "(", `\(`, ")", `\)`, "{", `\{`, "}", `\}`, "+", `\+`, "?", `\?`, "|", `\|`).Replace(basic))
}

func (p *process) askOwnAPI(file, target string) error {
	roots, err := readCertificates(p.drive().snapshot(), file)
	if err != nil {
		return fmt.Errorf("(77) error setting certificate verify locations: %w", err)
	}
	m := p.shell.machine
	m.mu.Lock()
	api := m.api
	m.mu.Unlock()
	switch {
	case api == nil || target != "https://"+m.ownAPI()+"/livez":
		return errors.New("(7) Failed to connect")
	case !trusted(roots, api.shows.pair.Load().Leaf, p.shell.node.clock.Now()):
		return errors.New("(60) SSL certificate problem: unable to get local issuer certificate")
	}
	return nil
}

func usage(p *process) error {
	return fmt.Errorf("this simulator does not know the options %q", p.args)
}

// systemctl of the one unit that scripts may touch.
func systemctl(ctx context.Context, p *process) error {
	switch strings.Join(p.args, " ") {
	case "daemon-reload":
	case "stop kubelet":
		p.shell.node.stopKubelet(p.shell.machine)
	case "start kubelet":
		p.shell.node.startKubelet(p.shell.machine)
	case "restart kubelet":
		p.shell.node.stopKubelet(p.shell.machine)
		p.shell.node.startKubelet(p.shell.machine)
	default:
		return usage(p)
	}
	return ctx.Err()
}
