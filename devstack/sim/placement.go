package sim

import "net/http"

// placementRoutes is as much of Placement as its clients need to find out what the cloud has: one provider.
func placementRoutes() []route {
	guard := func(do func(*call) (any, error)) func(*call) (any, error) {
		return func(q *call) (any, error) {
			if !q.admin() {
				return nil, fail(http.StatusForbidden, "", "Access was denied to this resource.")
			}
			return do(q)
		}
	}
	const id = "5e6f6d1c-4b1d-4b5e-9d5c-2f0d5a1c7b10"
	return []route{
		{"GET", "/resource_providers", 200, guard(func(q *call) (any, error) {
			provider := doc{"uuid": id, "name": "sim-host", "generation": 1, "links": []doc{}}
			if q.microversion() >= 14 {
				provider["parent_provider_uuid"], provider["root_provider_uuid"] = nil, id
			}
			return doc{"resource_providers": []doc{provider}}, nil
		}), false},
		{"GET", "/resource_providers/{id}/inventories", 200, guard(func(q *call) (any, error) {
			if q.arg("id") != id {
				return nil, fail(http.StatusNotFound, "", "No resource provider with uuid %s found", q.arg("id"))
			}
			inventory := func(total int) doc {
				return doc{"total": total, "reserved": 0, "min_unit": 1, "max_unit": total, "step_size": 1, "allocation_ratio": 1.0}
			}
			return doc{"resource_provider_generation": 1, "inventories": doc{"VCPU": inventory(1 << 20), "MEMORY_MB": inventory(1 << 30), "DISK_GB": inventory(1 << 30)}}, nil
		}), false},
		{"GET", "/traits", 200, guard(func(*call) (any, error) {
			return doc{"traits": []string{"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_VOLUME_ATTACH", "HW_CPU_X86_AVX2"}}, nil
		}), false},
		{"GET", "/resource_classes", 200, guard(func(*call) (any, error) {
			return doc{"resource_classes": []doc{{"name": "VCPU"}, {"name": "MEMORY_MB"}, {"name": "DISK_GB"}}}, nil
		}), false},
	}
}
