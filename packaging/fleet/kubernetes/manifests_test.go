// Package kubernetes tests the manifests for many accounts. It is a module of its own, so
// that the types of Kubernetes never become something that the program needs.
package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const image = "registry.example.org/mail/mbsync:1.6.0"

// decode decodes manifests into the types of the API. It fails if there is a field, or a
// field twice, that the types do not have.
func decode(manifests []byte) (out []runtime.Object, err error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), batchv1.AddToScheme(scheme), appsv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(manifests)))
	for buf := make([]byte, 1<<20); ; {
		n, err := documents.Read(buf)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		object, _, err := strict.Decode(buf[:n], nil, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, object)
	}
}

// account returns what account.sh prints.
func account(args ...string) ([]byte, error) {
	return exec.Command("sh", append([]string{"account.sh"}, args...)...).Output()
}

// manifests returns what account.sh prints: a claim, and an object of type T.
func manifests[T runtime.Object](t *testing.T, args ...string) (*corev1.PersistentVolumeClaim, T) {
	t.Helper()
	text, err := account(args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := decode(text)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d objects, %v\n%s", len(list), err, text)
	}
	claim, ok := list[0].(*corev1.PersistentVolumeClaim)
	object, ok2 := list[1].(T)
	if !ok || !ok2 {
		t.Fatalf("%T, %T", list[0], list[1])
	}
	return claim, object
}

// watched returns the manifests of an account that is watched.
func watched(t *testing.T, name string) (*corev1.PersistentVolumeClaim, *appsv1.StatefulSet) {
	t.Helper()
	return manifests[*appsv1.StatefulSet](t, "-w", name, image)
}

// objects returns the manifests of an account.
func objects(t *testing.T, name string) (*corev1.PersistentVolumeClaim, *batchv1.CronJob) {
	t.Helper()
	return manifests[*batchv1.CronJob](t, name, image)
}

func TestNamespace(t *testing.T) {
	text, err := os.ReadFile("namespace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list, err := decode(text)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	space, ok := list[0].(*corev1.Namespace)
	if !ok {
		t.Fatalf("%T", list[0])
	}
	claim, job := objects(t, "alice")
	if space.Name != claim.Namespace || space.Name != job.Namespace {
		t.Errorf("the namespaces are %s, %s, %s", space.Name, claim.Namespace, job.Namespace)
	}
}

// What is misspelled is not ignored.
func TestStrict(t *testing.T) {
	text, err := account("alice", image)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new string }{
		{"concurrencyPolicy:", "concurencyPolicy:"},
		{"readOnlyRootFilesystem:", "readOnlyRootFileSystem:"},
		{"runAsNonRoot: true", "runAsNonRoot: true\n            runAsNonRoot: true"},
		{"backoffLimit: 0", `backoffLimit: "0"`},
		{"kind: CronJob", "kind: CronTask"},
		{"batch/v1", "batch/v1beta1"},
	} {
		broken := strings.Replace(string(text), c.old, c.new, 1)
		if _, err := decode([]byte(broken)); err == nil || broken == string(text) {
			t.Errorf("%q is accepted", c.new)
		}
	}
}

func TestSchedule(t *testing.T) {
	form := regexp.MustCompile(`^[0-4]-59/5 \* \* \* \*$`)
	seen := map[string]bool{}
	for _, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj"} {
		_, job := objects(t, name)
		seen[job.Spec.Schedule] = true
		if !form.MatchString(job.Spec.Schedule) || job.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
			t.Errorf("%s: schedule %q, %s", name, job.Spec.Schedule, job.Spec.ConcurrencyPolicy)
		}
		if d := job.Spec.StartingDeadlineSeconds; d == nil || *d < 10 || *d >= 300 {
			t.Errorf("%s: startingDeadlineSeconds is %v", name, d)
		}
	}
	if len(seen) < 4 {
		t.Errorf("twelve accounts have the schedules %v", seen)
	}
}

// The pod meets what the level "restricted" of the namespace demands, and writes nothing but
// the volume of the account.
func TestPod(t *testing.T) {
	claim, job := objects(t, "alice")
	template := job.Spec.JobTemplate.Spec
	if template.Template.Spec.RestartPolicy != corev1.RestartPolicyNever || *template.BackoffLimit != 0 {
		t.Error("a failed run is repeated")
	}
	checkPod(t, claim, template.Template.Spec)
}

// TestWatch: the pod of an account that is watched meets the same, there is one, and it is
// replaced if it does not watch any more.
func TestWatch(t *testing.T) {
	claim, set := watched(t, "alice")
	pod := set.Spec.Template.Spec
	checkPod(t, claim, pod)
	labels := set.Spec.Template.Labels
	for k, v := range set.Spec.Selector.MatchLabels {
		if labels[k] != v {
			t.Errorf("the selector has %s=%s, the pod %q", k, v, labels[k])
		}
	}
	if *set.Spec.Replicas != 1 || set.Spec.ServiceName == "" || pod.RestartPolicy != "" && pod.RestartPolicy != corev1.RestartPolicyAlways {
		t.Errorf("%d replicas, service %q, %s", *set.Spec.Replicas, set.Spec.ServiceName, pod.RestartPolicy)
	}
	c := pod.Containers[0]
	if !slices.Contains(c.Args, "--watch") || c.LivenessProbe == nil || !slices.Contains(c.LivenessProbe.Exec.Command, "--status") {
		t.Errorf("%v, %v", c.Args, c.LivenessProbe)
	}
	if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/home/mbsync/.local" }) {
		t.Error("the status cannot be written")
	}
	other, _ := objects(t, "alice")
	if other.Name != claim.Name {
		t.Errorf("the volumes are %s and %s", other.Name, claim.Name)
	}
}

// checkPod checks what both kinds of pods have in common.
func checkPod(t *testing.T, claim *corev1.PersistentVolumeClaim, pod corev1.PodSpec) {
	t.Helper()
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	is := func(p *bool, want bool) bool { return p != nil && *p == want }
	s, cs := pod.SecurityContext, c.SecurityContext
	for what, ok := range map[string]bool{
		"image":                      c.Image == image,
		"no token of the cluster":    is(pod.AutomountServiceAccountToken, false),
		"runAsNonRoot":               is(s.RunAsNonRoot, true) && *s.RunAsUser > 0 && *s.FSGroup > 0,
		"seccompProfile":             s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"fsGroupChangePolicy":        *s.FSGroupChangePolicy == corev1.FSGroupChangeOnRootMismatch,
		"readOnlyRootFilesystem":     is(cs.ReadOnlyRootFilesystem, true),
		"allowPrivilegeEscalation":   is(cs.AllowPrivilegeEscalation, false),
		"capabilities":               slices.Equal(cs.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(cs.Capabilities.Add) == 0,
		"no other name space":        !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
		"one pod for the volume":     slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}),
		"memory requested, limited":  c.Resources.Requests.Memory().Cmp(resource.MustParse("16Mi")) >= 0 && c.Resources.Limits.Memory().Cmp(*c.Resources.Requests.Memory()) > 0,
		"no limit of the processor":  c.Resources.Limits.Cpu().IsZero() && !c.Resources.Requests.Cpu().IsZero(),
		"room for mail is requested": claim.Spec.Resources.Requests.Storage().Cmp(resource.MustParse("1Gi")) > 0,
	} {
		if !ok {
			t.Errorf("%s is not as it should be", what)
		}
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil {
			t.Errorf("%s: secrets are files", e.Name)
		}
	}
	if len(c.EnvFrom) > 0 {
		t.Error("secrets are files")
	}
	volumes := map[string]corev1.VolumeSource{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v.VolumeSource
	}
	at := map[string]corev1.VolumeSource{}
	for _, m := range c.VolumeMounts {
		v, ok := volumes[m.Name]
		if !ok {
			t.Errorf("there is no volume %s", m.Name)
		}
		at[m.MountPath] = v
		if writable := v.PersistentVolumeClaim != nil || v.EmptyDir != nil; m.ReadOnly == writable {
			t.Errorf("%s: readOnly is %v", m.MountPath, m.ReadOnly)
		}
		// The layout of the volume is that of a home.
		if v.PersistentVolumeClaim != nil && path.Join(env["HOME"], m.SubPath) != m.MountPath {
			t.Errorf("%s is at %s", m.SubPath, m.MountPath)
		}
	}
	for _, dir := range []string{env["HOME"] + "/Mail", env["HOME"] + "/.cache"} {
		if v := at[dir].PersistentVolumeClaim; v == nil || v.ClaimName != claim.Name {
			t.Errorf("%s is not on the volume", dir)
		}
	}
	if v := at[env["CREDENTIALS_DIRECTORY"]].Secret; v == nil || v.SecretName != claim.Name || *v.DefaultMode != 0o440 {
		t.Errorf("the credentials are %v", v)
	}
	i := slices.Index(c.Args, "-c")
	if v := at[path.Dir(c.Args[i+1])].ConfigMap; v == nil || path.Base(c.Args[i+1]) != "mbsyncrc" {
		t.Errorf("the configuration is %v", c.Args)
	}
}

// All names are allowed, also the longest.
func TestNames(t *testing.T) {
	for _, name := range []string{"a", "7", "alice-example-org", strings.Repeat("x", 45)} {
		claim, job := objects(t, name)
		// The controller appends eleven characters to the name of a cron job.
		for _, full := range []string{claim.Name, job.Name + "-1234567890"} {
			if bad := validation.IsDNS1123Label(full); len(bad) > 0 {
				t.Errorf("%s: %q", full, bad)
			}
		}
		for _, l := range []map[string]string{claim.Labels, job.Labels, job.Spec.JobTemplate.Labels, job.Spec.JobTemplate.Spec.Template.Labels} {
			for k, v := range l {
				if bad := append(validation.IsQualifiedName(k), validation.IsValidLabelValue(v)...); len(bad) > 0 || !strings.Contains(v, "mbsync") {
					t.Errorf("%s=%s: %q", k, v, bad)
				}
			}
		}
	}
	for _, bad := range [][2]string{
		{"", image},
		{"Alice", image},
		{"-alice", image},
		{"alice-", image},
		{"a|b", image},
		{"a\nb", image},
		{"a.b", image},
		{strings.Repeat("x", 46), image},
		{"alice", ""},
		{"alice", "a b"},
		{"alice", "a|b"},
		{"alice", "a\nb"},
	} {
		if text, err := account(bad[0], bad[1]); err == nil || len(text) > 0 {
			t.Errorf("account.sh accepts %q", bad)
		}
	}
}
