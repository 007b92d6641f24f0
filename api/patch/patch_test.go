package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testRules() Rules {
	return Rules{Internal: []string{"/uuid", "/links"}, NonRemovable: []string{"/coe"}, Literal: []string{"/labels", "/taints"}, Integers: []string{"/max_node_count"}}
}

// testView has its numbers both as Go has them and as encoding/json decodes them.
func testView() map[string]any {
	return map[string]any{
		"uuid": "u", "links": []any{map[string]any{"href": "h"}}, "coe": "kubernetes", "name": "n", "dns": nil, "public": false,
		"labels": map[string]any{"a": "1", "b": "2"}, "taints": []any{}, "node_count": 3, "timeout": 60.0, "max_node_count": nil,
	}
}

// changed gives what the patch changes: null for what is gone.
func changed(before, after map[string]any) map[string]any {
	diff := map[string]any{}
	for name, value := range after {
		if old, ok := before[name]; !ok || !cmp.Equal(old, value) {
			diff[name] = value
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			diff[name] = "(gone)"
		}
	}
	return diff
}

func TestPatch(t *testing.T) {
	type m = map[string]any
	for _, c := range []struct {
		name, patch string
		want        map[string]any // what changes
	}{
		{"nothing", `[]`, m{}},
		{"blanks around", " [] \n", m{}},
		{"replace text", `[{"op":"replace","path":"/name","value":"x"}]`, m{"name": "x"}},
		{"replace with empty text", `[{"op":"replace","path":"/name","value":""}]`, m{"name": ""}},
		{"replace with the same", `[{"op":"replace","path":"/name","value":"n"}]`, m{}},
		{"add to null", `[{"op":"add","path":"/dns","value":"8.8.8.8"}]`, m{"dns": "8.8.8.8"}},
		{"remove", `[{"op":"remove","path":"/dns"}]`, m{"dns": "(gone)"}},
		{"the value of a remove is ignored", `[{"op":"remove","path":"/dns","value":{}}]`, m{"dns": "(gone)"}},
		{"a number", `[{"op":"replace","path":"/node_count","value":5}]`, m{"node_count": 5.0}},
		{"a number as text", `[{"op":"replace","path":"/node_count","value":" 05"}]`, m{"node_count": 5.0}},
		{"a truth value as number", `[{"op":"replace","path":"/node_count","value":true}]`, m{"node_count": 1.0}},
		{"no number where one is", `[{"op":"replace","path":"/node_count","value":"many"}]`, m{"node_count": "many"}},
		{"a number as text, in another type", `[{"op":"replace","path":"/timeout","value":"-7"}]`, m{"timeout": -7.0}},
		{"a number as text, where null is", `[{"op":"replace","path":"/max_node_count","value":"+0"}]`, m{"max_node_count": 0.0}},
		{"false as number, where null is", `[{"op":"add","path":"/max_node_count","value":false}]`, m{"max_node_count": 0.0}},
		{"digits that are text", `[{"op":"replace","path":"/name","value":"12"}]`, m{"name": "12"}},
		{"a truth value", `[{"op":"replace","path":"/public","value":true}]`, m{"public": true}},
		{"a truth value as text", `[{"op":"replace","path":"/public","value":"True"}]`, m{"public": "True"}},
		{"Python's map", `[{"op":"replace","path":"/labels","value":"{'a': 'b', 'n': 9007199254740993, 'f': 1.0}"}]`, m{"labels": m{"a": "b", "n": json.Number("9007199254740993"), "f": json.Number("1.0")}}},
		{"JSON's map as text", `[{"op":"replace","path":"/labels","value":"{\"a\": true}"}]`, m{"labels": m{"a": true}}},
		{"JSON's map", `[{"op":"replace","path":"/labels","value":{"a": "b"}}]`, m{"labels": m{"a": "b"}}},
		{"a list", `[{"op":"replace","path":"/taints","value":"[{'key': 'k', 'value': '', 'effect': 'NoSchedule'}]"}]`, m{"taints": []any{m{"key": "k", "value": "", "effect": "NoSchedule"}}}},
		{"an empty map", `[{"op":"replace","path":"/labels","value":"{}"}]`, m{"labels": m{}}},
		{"inside: add", `[{"op":"add","path":"/labels/foo","value":"1"}]`, m{"labels": m{"a": "1", "b": "2", "foo": "1"}}},
		{"inside: add over", `[{"op":"add","path":"/labels/a","value":"9"}]`, m{"labels": m{"a": "9", "b": "2"}}},
		{"inside: replace by a number", `[{"op":"replace","path":"/labels/a","value":9}]`, m{"labels": m{"a": json.Number("9"), "b": "2"}}},
		{"inside: remove", `[{"op":"remove","path":"/labels/a"}]`, m{"labels": m{"b": "2"}}},
		{"inside: what looks like a map is text", `[{"op":"add","path":"/labels/a","value":"{'x': 1}"}]`, m{"labels": m{"a": "{'x': 1}", "b": "2"}}},
		{"inside: other letters", `[{"op":"add","path":"/labels/größe_1-x","value":"1"}]`, m{"labels": m{"a": "1", "b": "2", "größe_1-x": "1"}}},
		{"several in order", `[{"op":"replace","path":"/labels","value":"{}"},{"op":"add","path":"/labels/x","value":"<&>"},{"op":"remove","path":"/dns"}]`, m{"labels": m{"x": "<&>"}, "dns": "(gone)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops, err := Parse([]byte(c.patch), testRules())
			if err != nil {
				t.Fatal(err)
			}
			view := testView()
			after, err := Apply(view, ops, testRules())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, changed(view, after)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(testView(), view); diff != "" {
				t.Errorf("the view itself has changed:\n%s", diff)
			}
		})
	}
}

func TestRefusedPatches(t *testing.T) {
	op := func(op, path string, value any) string {
		return fmt.Sprintf(`[{"op":%q,"path":%q,"value":%v}]`, op, path, value)
	}
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", ``, `Missing argument: "patch"`},
		{"blank", " ", `Missing argument: "patch"`},
		{"no JSON", `[`, "not in valid JSON format"},
		{"an object", `{"op":"add"}`, "A list of operations is expected"},
		{"null", `null`, "A list of operations is expected"},
		{"an item that is no object", `[1]`, "An operation is an object"},
		{"an item that is null", `[null]`, "An operation is an object"},
		{"an unknown key", `[{"op":"remove","path":"/dns","from":"/a"}]`, "Unknown attribute for argument patch: from"},
		{"a key in upper case", `[{"OP":"remove","path":"/dns"}]`, "Unknown attribute for argument patch: OP"},
		{"no op", `[{"path":"/dns"}]`, "attribute op. Value: 'None'. Mandatory field missing."},
		{"no path", `[{"op":"remove"}]`, "attribute path. Value: 'None'. Mandatory field missing."},
		{"an op that is a number", `[{"op":1,"path":"/dns"}]`, "attribute op. Value: '1'. Wrong type"},
		{"another op", op("move", "/dns", `"x"`), "one of: add, remove, replace"},
		{"a test", op("test", "/dns", `"x"`), "one of: add, remove, replace"},
		{"a path without slash", op("add", "dns", `"x"`), "should match the pattern"},
		{"the root", op("add", "/", `"x"`), "should match the pattern"},
		{"no path at all", op("replace", "", `"x"`), "should match the pattern"},
		{"a dot in the path", op("add", "/labels/a.b", `"x"`), "should match the pattern"},
		{"an escape in the path", op("add", "/labels/a~1b", `"x"`), "should match the pattern"},
		{"a line break after the path", op("add", "/dns\n", `"x"`), "should match the pattern"},
		{"null", op("replace", "/name", `null`), "operations needs value"},
		{"no value", `[{"op":"add","path":"/dns"}]`, "operations needs value"},
		{"an object", op("replace", "/name", `{"a":1}`), "A string or an integer is expected"},
		{"a list", op("replace", "/name", `[]`), "A string or an integer is expected"},
		{"a float", op("replace", "/node_count", `1.5`), "A string or an integer is expected"},
		{"a float without fraction", op("replace", "/node_count", `1e1`), "A string or an integer is expected"},
		{"an object inside labels", op("add", "/labels/x", `{"a":1}`), "A string or an integer is expected"},
		{"no number", op("replace", "/max_node_count", `"5x"`), "attribute max_node_count. Value: '5x'. Wrong type. Expected integer."},
		{"internal", op("replace", "/uuid", `"x"`), "'/uuid' is an internal attribute and can not be updated"},
		{"removing an internal one", `[{"op":"remove","path":"/uuid"}]`, "'/uuid' is an internal attribute"},
		{"inside an internal one", op("replace", "/links/0", `"x"`), "'/links/0' is an internal attribute"},
		{"removing a mandatory one", `[{"op":"remove","path":"/coe"}]`, "'/coe' is a mandatory attribute and can not be removed"},
		{"a new attribute", op("add", "/new", `"x"`), "Adding a new attribute (/new) to the root of the resource is not allowed"},
		{"adding over a value", op("add", "/name", `"x"`), "The attribute /name has existed, please use 'replace' operation instead."},
		{"adding over false", op("add", "/public", `true`), "has existed"},
		{"replacing nothing", op("replace", "/new", `"x"`), "Couldn't apply patch '[{\"op\":\"replace\",\"path\":\"/new\",\"value\":\"x\"}]'. Reason: there is no /new to replace"},
		{"removing nothing", `[{"op":"remove","path":"/new"}]`, "Couldn't apply patch"},
		{"replacing nothing inside", op("replace", "/labels/zz", `"x"`), "Couldn't apply patch"},
		{"removing nothing inside", `[{"op":"remove","path":"/labels/zz"}]`, "Reason: there is no /labels/zz to remove"},
		{"removing twice", `[{"op":"remove","path":"/dns"},{"op":"remove","path":"/dns"}]`, "Couldn't apply patch"},
		{"inside text", op("add", "/name/x", `"x"`), "Couldn't apply patch"},
		{"inside null", op("add", "/dns/x", `"x"`), "Couldn't apply patch"},
		{"inside a number", op("add", "/node_count/x", `"x"`), "Couldn't apply patch"},
		{"inside what is not there", op("add", "/new/x", `"x"`), "Couldn't apply patch"},
		{"before the start of a list", op("add", "/taints/-1", `"x"`), "Couldn't apply patch"},
		{"behind the end of a list", op("add", "/taints/7", `"x"`), "Couldn't apply patch"},
		{"a word for labels", op("replace", "/labels", `"words"`), "neither a Python literal nor JSON: a value is expected, at character 1"},
		{"text for labels", op("replace", "/labels", `"'words'"`), "A map or a list is expected"},
		{"None for labels", op("replace", "/labels", `"None"`), "A map or a list is expected"},
		{"a number for labels", op("replace", "/labels", `5`), "A map or a list is expected"},
		{"code for labels", op("replace", "/labels", `"__import__('os').system('x')"`), "neither a Python literal nor JSON"},
		{"a huge number", op("replace", "/node_count", "1"+strings.Repeat("0", 400)), "The number is too large"},
		{"many operations", "[" + strings.Repeat(`{"op":"remove","path":"/dns"},`, MaxOps) + `{"op":"remove","path":"/dns"}]`, "201 operations"},
		{"a large body", `["` + strings.Repeat("x", MaxBody) + `"]`, "larger than"},
		{"deep JSON", strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5), "not in valid JSON format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops, err := Parse([]byte(c.patch), testRules())
			if err == nil {
				_, err = Apply(testView(), ops, testRules())
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %v, want an *Error with %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 2500 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// Whatever the patch: no panic, no error but *Error, no change of what may not change.
func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`[]`, `{}`, `[{"op":"add","path":"/labels/x","value":"1"}]`, `[{"op":"remove","path":"/labels"},{"op":"add","path":"/labels/x","value":1}]`,
		`[{"op":"replace","path":"/taints","value":"[1, 2]"},{"op":"remove","path":"/taints/0"},{"op":"add","path":"/taints/-","value":"x"}]`,
		`[{"op":"replace","path":"/labels","value":{"a":{"b":[1]}}},{"op":"add","path":"/labels/a/b/0","value":"x"}]`, `[{"op":"remove","path":"/dns"},{"op":"add","path":"/dns/x","value":"x"}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var e *Error
		ops, err := Parse(body, testRules())
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			return
		}
		view := testView()
		after, err := Apply(view, ops, testRules())
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			return
		}
		for name := range maps.Keys(after) {
			if _, ok := view[name]; !ok {
				t.Errorf("attribute %s is new", name)
			}
		}
		if after["uuid"] != "u" || after["coe"] == nil || !cmp.Equal(after["links"], view["links"]) || !cmp.Equal(view, testView()) {
			t.Errorf("changed what may not change: %v", after)
		}
	})
}
