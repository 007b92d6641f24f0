package redfish

import "net/http"

func link(path string) object { return object{"@odata.id": path} }

// collection of resources under a path.
func collection(kind, path string, ids ...string) object {
	members := []object{}
	for _, id := range ids {
		members = append(members, link(path+"/"+id))
	}
	return object{"@odata.id": path, "@odata.type": "#" + kind + "Collection." + kind + "Collection", "Name": kind + "s", "Members": members, "Members@odata.count": len(members)}
}

func (s *Service) showRoot(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, object{"@odata.id": root, "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot", "Id": "RootService", "Name": "Root Service", "RedfishVersion": "1.6.0",
		"Systems": link(root + "Systems"), "Managers": link(root + "Managers"), "SessionService": link(root + "SessionService"), "Links": object{"Sessions": link(sessions)}})
}

func (s *Service) showSessionService(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, object{"@odata.id": root + "SessionService", "@odata.type": "#SessionService.v1_1_6.SessionService", "Id": "SessionService", "Name": "Session Service",
		"ServiceEnabled": true, "Sessions": link(sessions)})
}

func (s *Service) ids() []string {
	var ids []string
	for _, x := range s.all() {
		ids = append(ids, x.id)
	}
	return ids
}

func (s *Service) listSystems(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, collection("ComputerSystem", root+"Systems", s.ids()...))
}

func (s *Service) listManagers(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, collection("Manager", root+"Managers", s.ids()...))
}

// The one network card of a system.
const card = "1"

func listCards(w http.ResponseWriter, _ *http.Request, x *System) {
	show(w, http.StatusOK, collection("EthernetInterface", x.path()+"/EthernetInterfaces", card))
}

func showCard(w http.ResponseWriter, _ *http.Request, x *System) {
	show(w, http.StatusOK, object{"@odata.id": x.path() + "/EthernetInterfaces/" + card, "@odata.type": "#EthernetInterface.v1_6_0.EthernetInterface", "Id": card, "Name": "Network card",
		"MACAddress": x.mac, "PermanentMACAddress": x.mac, "Status": healthy})
}

var healthy = object{"State": "Enabled", "Health": "OK"}

func showSystem(w http.ResponseWriter, _ *http.Request, x *System) {
	on, boot := x.view()
	power := "Off"
	if on {
		power = "On"
	}
	show(w, http.StatusOK, object{"@odata.id": x.path(), "@odata.type": "#ComputerSystem.v1_10_0.ComputerSystem", "Id": x.id, "UUID": x.id, "Name": "Machine " + x.id, "SystemType": "Virtual",
		"Manufacturer": "QEMU", "PowerState": power, "Status": healthy,
		"Boot": object{"BootSourceOverrideTarget": boot.Target, "BootSourceOverrideEnabled": boot.Enabled, "BootSourceOverrideMode": legacy,
			"BootSourceOverrideTarget@Redfish.AllowableValues": targets},
		"ProcessorSummary": object{"Count": 1, "Status": healthy}, "MemorySummary": object{"TotalSystemMemoryGiB": float64(memory) / 1024, "Status": healthy},
		"EthernetInterfaces": link(x.path() + "/EthernetInterfaces"), "Links": object{"ManagedBy": []object{link(x.manager())}},
		"Actions": object{"#ComputerSystem.Reset": object{"target": x.path() + "/" + reset, "ResetType@Redfish.AllowableValues": resets}}})
}

func showManager(w http.ResponseWriter, _ *http.Request, x *System) {
	show(w, http.StatusOK, object{"@odata.id": x.manager(), "@odata.type": "#Manager.v1_6_0.Manager", "Id": x.id, "UUID": x.id, "Name": "BMC of machine " + x.id, "ManagerType": "BMC",
		"FirmwareVersion": "1.0", "Status": healthy, "VirtualMedia": link(x.manager() + "/VirtualMedia"), "Links": object{"ManagerForServers": []object{link(x.path())}}})
}

func listDrives(w http.ResponseWriter, _ *http.Request, x *System) {
	show(w, http.StatusOK, collection("VirtualMedia", x.manager()+"/VirtualMedia", cd, usb))
}

func showDrive(w http.ResponseWriter, _ *http.Request, x *System, drive string) {
	path, image := x.manager()+"/VirtualMedia/"+drive, x.inserted(drive)
	o := object{"@odata.id": path, "@odata.type": "#VirtualMedia.v1_3_0.VirtualMedia", "Id": drive, "Name": "Virtual " + drive, "MediaTypes": mediaTypes[drive],
		"Image": nil, "Inserted": image != "", "ConnectedVia": "NotConnected", "WriteProtected": true,
		"Actions": object{"#VirtualMedia.InsertMedia": object{"target": path + "/" + insertMedia}, "#VirtualMedia.EjectMedia": object{"target": path + "/" + ejectMedia}}}
	if image != "" {
		o["Image"], o["ConnectedVia"] = image, "URI"
	}
	show(w, http.StatusOK, o)
}
