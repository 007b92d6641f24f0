package kubernetes

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// image is a container image of one layer.
type image struct {
	name, version string // of the file
	reference     string // as kubeadm and manifests name it
	entrypoint    []string
	files         []layerFile
}

// layerFile is a file of an image: the content of source, or a symbolic link.
type layerFile struct{ path, source, link string }

// WriteProgramImage writes a docker-archive file with the image of a program that needs nothing else.
func WriteProgramImage(file, reference, path, source string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = writeArchive(f, image{reference: reference, entrypoint: []string{path}, files: []layerFile{{path: path, source: source}}})
	return errors.Join(err, f.Close())
}

// writeArchive writes the image as a docker-archive file. The layer is not compressed, since it is read on this machine
// only, and the same files give the same bytes.
func writeArchive(w io.Writer, i image) error {
	layer, err := os.CreateTemp("", "jeroboam-layer-")
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	sum := sha256.New()
	if err := writeLayer(io.MultiWriter(layer, sum), i.files); err != nil {
		return fmt.Errorf("layer of %s: %w", i.reference, err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	config, err := json.Marshal(imageConfig(i, digest))
	if err != nil {
		return err
	}
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{i.reference}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for _, part := range []struct {
		name    string
		content []byte
	}{{configName, config}, {"manifest.json", manifest}} {
		if err := addBytes(out, part.name, 0o644, part.content); err != nil {
			return err
		}
	}
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "layer.tar", Mode: 0o644, Size: size}); err != nil {
		return err
	}
	if _, err := io.Copy(out, layer); err != nil {
		return err
	}
	return out.Close()
}

func imageConfig(i image, digest string) map[string]any {
	config := map[string]any{"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	if len(i.entrypoint) > 0 {
		config["Entrypoint"] = i.entrypoint
	}
	return map[string]any{
		"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	}
}

// writeLayer writes the files with the folders above them, and what a static program needs to find.
func writeLayer(w io.Writer, files []layerFile) error {
	out := tar.NewWriter(w)
	made := map[string]bool{"": true, ".": true}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	made["tmp"] = true
	for _, folder := range []string{"etc", "run", "var/run"} {
		if err := addFolders(out, made, folder); err != nil {
			return err
		}
	}
	if err := addBytes(out, "etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")); err != nil {
		return err
	}
	for _, f := range files {
		name := strings.TrimPrefix(f.path, "/")
		if err := addFolders(out, made, path.Dir(name)); err != nil {
			return err
		}
		if err := addFile(out, name, f); err != nil {
			return err
		}
	}
	return out.Close()
}

func addFolders(out *tar.Writer, made map[string]bool, folder string) error {
	if made[folder] {
		return nil
	}
	if err := addFolders(out, made, path.Dir(folder)); err != nil {
		return err
	}
	made[folder] = true
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755})
}

func addFile(out *tar.Writer, name string, f layerFile) error {
	if f.link != "" {
		return out.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: f.link, Mode: 0o777})
	}
	in, err := os.Open(f.source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}

func addBytes(out *tar.Writer, name string, mode int64, content []byte) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}
