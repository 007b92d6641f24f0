package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

const (
	cloudConfigHeader = "#cloud-config"
	// a bound on what unpacks, so that no user data can fill the memory of the simulator
	maxUnpacked = 16 << 20
)

// cloudConfig has the keys of cloud-init that hosts of this project may use. Any other key is an error: a real cloud-init
// would do something with it that is not simulated, or ignore it with a warning that nobody reads.
type cloudConfig struct {
	Hostname          string          `json:"hostname"`
	FQDN              string          `json:"fqdn"`
	ManageEtcHosts    json.RawMessage `json:"manage_etc_hosts"` // a boolean or "localhost"
	PreserveHostname  bool            `json:"preserve_hostname"`
	SSHAuthorizedKeys []string        `json:"ssh_authorized_keys"`
	WriteFiles        []writeFile     `json:"write_files"`
	RunCmd            []command       `json:"runcmd"`
	FinalMessage      string          `json:"final_message"`
	SSHPasswordAuth   bool            `json:"ssh_pwauth"`
	PackageUpdate     bool            `json:"package_update"`
}

type writeFile struct {
	Path        string `json:"path"`
	Content     string `json:"content"`
	Encoding    string `json:"encoding"`
	Owner       string `json:"owner"`
	Permissions string `json:"permissions"`
}

// command is an entry of runcmd: a line for the shell, or a list of arguments.
type command struct{ args []string }

func (c *command) UnmarshalJSON(data []byte) error {
	var line string
	if json.Unmarshal(data, &line) == nil {
		*c = command{args: strings.Fields(line)}
		return nil
	}
	var args []string
	if err := json.Unmarshal(data, &args); err != nil {
		return fmt.Errorf("runcmd entry %s is neither a string nor a list of strings", data)
	}
	*c = command{args: args}
	return nil
}

// file is what a host has on its disk.
type file struct {
	content []byte
	mode    uint32
}

// fileSystem is the part of a host's disk that its user data wrote.
type fileSystem map[string]file

// parseCloudConfig reads user data strictly.
func parseCloudConfig(userData []byte) (*cloudConfig, error) {
	if len(userData) == 0 {
		return nil, errors.New("no user data")
	}
	if bytes.HasPrefix(userData, []byte{0x1f, 0x8b}) {
		plain, err := gunzip(userData)
		if err != nil {
			return nil, fmt.Errorf("decompress user data: %w", err)
		}
		userData = plain
	}
	header, _, _ := bytes.Cut(userData, []byte("\n"))
	if strings.TrimRight(string(header), " \r") != cloudConfigHeader {
		return nil, fmt.Errorf("unhandled non-multipart (text/x-not-multipart) userdata: it does not begin with %q", cloudConfigHeader)
	}
	var config cloudConfig
	if err := decodeStrict(userData, &config); err != nil {
		return nil, fmt.Errorf("invalid cloud-config: %w", err)
	}
	if err := checkManageEtcHosts(config.ManageEtcHosts); err != nil {
		return nil, fmt.Errorf("invalid cloud-config: %w", err)
	}
	return &config, nil
}

func checkManageEtcHosts(value json.RawMessage) error {
	switch strings.TrimSpace(string(value)) {
	case "", "true", "false", `"localhost"`:
		return nil
	default:
		return fmt.Errorf("manage_etc_hosts: %s is neither a boolean nor \"localhost\"", value)
	}
}

// decodeStrict decodes a YAML mapping. Unknown keys, keys in another case, keys given twice, and values of another type
// are errors.
func decodeStrict(document []byte, into any) error {
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var object map[string]any
	if err := utiljson.Unmarshal(asJSON, &object); err != nil {
		return errors.New("it is not a mapping")
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object, into, true)
	if err != nil && !runtime.IsStrictDecodingError(err) {
		// a value of the wrong type: the plain decoder says which
		if named := json.Unmarshal(asJSON, into); named != nil {
			return named
		}
	}
	return err
}

// unpackFiles does what cloud-init's write_files does. A path that comes twice has the content of the last.
func unpackFiles(files []writeFile) (fileSystem, error) {
	disk := fileSystem{}
	for i, f := range files {
		unpacked, err := unpackFile(f)
		if err != nil {
			return nil, fmt.Errorf("write_files entry %d (%q): %w", i+1, f.Path, err)
		}
		disk[f.Path] = unpacked
	}
	return disk, nil
}

func unpackFile(f writeFile) (file, error) {
	if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
		return file{}, errors.New("path is not an absolute, clean path of a file")
	}
	switch f.Owner {
	case "", "root", "root:root":
	default:
		return file{}, fmt.Errorf("unknown user or group: %q", f.Owner)
	}
	mode := uint64(0o644)
	if f.Permissions != "" {
		var err error
		if mode, err = strconv.ParseUint(f.Permissions, 8, 12); err != nil {
			return file{}, fmt.Errorf("permissions %q are not an octal number", f.Permissions)
		}
	}
	content, err := decodeContent(f.Content, f.Encoding)
	if err != nil {
		return file{}, err
	}
	return file{content: content, mode: uint32(mode)}, nil
}

func decodeContent(content, encoding string) ([]byte, error) {
	switch encoding {
	case "", "text/plain":
		return []byte(content), nil
	case "b64", "base64":
		return decodeBase64(content)
	case "gz+b64", "gzip+b64", "gz+base64", "gzip+base64":
		packed, err := decodeBase64(content)
		if err != nil {
			return nil, err
		}
		plain, err := gunzip(packed)
		if err != nil {
			return nil, fmt.Errorf("decompress content: %w", err)
		}
		return plain, nil
	default:
		return nil, fmt.Errorf("unknown encoding type %q", encoding)
	}
}

func decodeBase64(content string) ([]byte, error) {
	// folded YAML scalars put white space between the lines
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), ""))
	if err != nil {
		return nil, fmt.Errorf("decode base64 content: %w", err)
	}
	return plain, nil
}

func gunzip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > maxUnpacked {
		return nil, fmt.Errorf("it unpacks to more than %d bytes", maxUnpacked)
	}
	return plain, r.Close()
}

// bootstrap is what the commands of a host amount to.
type bootstrap struct {
	verb    string // init or join
	config  string // path of kubeadm's configuration
	retries bool   // the script goes on after a failed attempt
}

var (
	kubeadmCommand = regexp.MustCompile(`(?m)^[^#\n]*?\bkubeadm[ \t]+(init|join)\b([^\n#|;&]*)`)
	configFlag     = regexp.MustCompile(`--config[ =]([^\s"']+)`)
	loop           = regexp.MustCompile(`(?m)^[^#\n]*?\b(until|while)\b`)
)

// findBootstrap finds the kubeadm command among what runcmd runs: in its lines, and in the scripts of write_files that
// these name. A script may have it more than once, for one branch and another.
func findBootstrap(commands []command, disk fileSystem) (bootstrap, error) {
	found := bootstrap{}
	mentioned := false
	for i, c := range commands {
		if len(c.args) == 0 {
			return bootstrap{}, fmt.Errorf("runcmd entry %d is empty", i+1)
		}
		text, err := commandText(c, disk)
		if err != nil {
			return bootstrap{}, fmt.Errorf("runcmd entry %d: %w", i+1, err)
		}
		text = strings.ReplaceAll(text, "\\\n", " ") // the shell's continued lines
		for _, match := range kubeadmCommand.FindAllStringSubmatch(text, -1) {
			mentioned = true
			flag := configFlag.FindStringSubmatch(match[2])
			if flag == nil {
				continue // a message, or a failure: there is no default configuration that would do
			}
			this := bootstrap{verb: match[1], config: flag[1], retries: loop.MatchString(text)}
			if found.verb != "" && found != this {
				return bootstrap{}, errors.New("different commands of kubeadm are run")
			}
			found = this
		}
	}
	switch {
	case found.verb != "":
		return found, nil
	case mentioned:
		return bootstrap{}, errors.New("kubeadm is run without --config")
	default:
		return bootstrap{}, errors.New("no command runs kubeadm init or kubeadm join")
	}
}

// commandText returns what is executed: the script when the command is a file of the disk, else the command itself.
func commandText(c command, disk fileSystem) (string, error) {
	for _, arg := range c.args {
		f, there := disk[arg]
		if !there {
			continue
		}
		if arg == c.args[0] && f.mode&0o100 == 0 {
			return "", fmt.Errorf("%s: permission denied", arg)
		}
		if arg == c.args[0] && !bytes.HasPrefix(f.content, []byte("#!")) {
			return "", fmt.Errorf("%s: exec format error", arg)
		}
		return string(f.content), nil
	}
	if name := c.args[0]; strings.HasPrefix(name, "/usr/local/") {
		return "", fmt.Errorf("%s: no such file or directory", name)
	}
	return strings.Join(c.args, " "), nil
}
