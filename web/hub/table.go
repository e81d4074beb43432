package hub

// DomainMethods are all methods of the domain: with the hub's own ones they are the protocol.
func DomainMethods(d Deps) []Method {
	var all []Method
	for _, table := range []func(Deps) []Method{
		userMethods, policyMethods, channelMethods, hostMethods, taskMethods, schedulerMethods, hostTaskMethods, tagMethods, packageMethods, tagBuildMethods,
		targetMethods, externalRepoMethods, tagGroupMethods, eventMethods, historyMethods,
		buildMethods, hostBuildMethods, hostTypedMethods, buildrootMethods, rpmMethods, rpmFileMethods, archiveMethods, archiveImportMethods, generatorMethods, volumeMethods, repoMethods, repoRequestMethods, hostRepoMethods,
		notificationMethods, searchMethods, pluginMethods, mavenTaskMethods, imageTaskMethods,
	} {
		all = append(all, table(d)...)
	}
	return all
}
