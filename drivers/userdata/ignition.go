package userdata

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/coreos/ignition/v2/config/util"
	ignition "github.com/coreos/ignition/v2/config/v3_4/types"
)

const unitDir = "/etc/systemd/system/"

// ignitionConfig is a host for operating systems that Ignition sets up, before anything runs on them: files as they are, and
// the units that cloud-init's commands would have started.
func ignitionConfig(h Host, files []File) ([]byte, error) {
	c := ignition.Config{Ignition: ignition.Ignition{Version: ignition.MaxVersion.String()}}
	if len(h.SSHKeys) > 0 {
		user := ignition.PasswdUser{Name: "core"}
		for _, key := range h.SSHKeys {
			user.SSHAuthorizedKeys = append(user.SSHAuthorizedKeys, ignition.SSHAuthorizedKey(key))
		}
		c.Passwd.Users = []ignition.PasswdUser{user}
	}
	files = append([]File{{Path: "/etc/hostname", Content: []byte(h.Name + "\n")}}, files...)
	for _, f := range files {
		if unit, dropIn, is := splitUnit(f.Path); is {
			c.Systemd.Units = addUnit(c.Systemd.Units, unit, dropIn, string(f.Content))
			continue
		}
		file, err := ignitionFile(f)
		if err != nil {
			return nil, fmt.Errorf("user data of %s: %s: %w", h.Name, f.Path, err)
		}
		c.Storage.Files = append(c.Storage.Files, file)
	}
	out, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("user data of %s: %w", h.Name, err)
	}
	return out, nil
}

// splitUnit tells a unit of systemd, or a drop-in of one.
func splitUnit(file string) (unit, dropIn string, is bool) {
	rest, is := strings.CutPrefix(file, unitDir)
	if folder, name := path.Split(rest); folder != "" {
		return strings.TrimSuffix(folder, ".d/"), name, is
	}
	return rest, "", is
}

func addUnit(units []ignition.Unit, name, dropIn, content string) []ignition.Unit {
	i := 0
	for i < len(units) && units[i].Name != name {
		i++
	}
	if i == len(units) {
		units = append(units, ignition.Unit{Name: name})
	}
	if dropIn != "" {
		units[i].Dropins = append(units[i].Dropins, ignition.Dropin{Name: dropIn, Contents: &content})
		return units
	}
	units[i].Contents = &content
	if strings.Contains(content, "\n[Install]\n") {
		units[i].Enabled = util.BoolToPtr(true)
	}
	return units
}

func ignitionFile(f File) (ignition.File, error) {
	packed, err := pack(f)
	if err != nil {
		return ignition.File{}, err
	}
	mode, err := strconv.ParseInt(packed.Permissions, 8, 32)
	if err != nil {
		return ignition.File{}, err
	}
	out := ignition.File{Node: ignition.Node{Path: f.Path, Overwrite: util.BoolToPtr(true)}, FileEmbedded1: ignition.FileEmbedded1{Mode: util.IntToPtr(int(mode))}}
	if user, group, _ := strings.Cut(packed.Owner, ":"); user != "root" || group != "root" && group != "" {
		out.User.Name = &user
		if group != "" {
			out.Group.Name = &group
		}
	}
	content := packed.Content
	switch packed.Encoding {
	case "gz+b64":
		out.Contents.Compression = util.StrToPtr("gzip")
	case "text/plain":
		content = base64.StdEncoding.EncodeToString(f.Content)
	}
	out.Contents.Source = util.StrToPtr("data:;base64," + content)
	return out, nil
}
