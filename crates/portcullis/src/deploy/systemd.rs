//! The systemd unit of `portcullis serve`.

/// A unit that lets the guard do what it needs and no more (systemd.exec(5)). Its one writable place is
/// its state directory.
pub(super) const UNIT: &str = "\
# /etc/systemd/system/portcullis.service
#
#   portcullis deploy systemd > /etc/systemd/system/portcullis.service
#   systemctl daemon-reload && systemctl enable --now portcullis
#
# Secrets: files that the configuration names by `file:` belong to root and are handed over by
# LoadCredential, or are readable by the group of the service; variables for `env:` stand in
# /etc/portcullis/environment.

[Unit]
Description=Portcullis keeps S3 buckets closed
Documentation=man:portcullis-serve(1)
After=network-online.target
Wants=network-online.target
# A guard that gave up trying guards nothing.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=/usr/local/bin/portcullis config check
ExecStart=/usr/local/bin/portcullis serve
Environment=PORTCULLIS_CONFIG=/etc/portcullis/portcullis.toml
EnvironmentFile=-/etc/portcullis/environment
Restart=on-failure
RestartSec=5s
# What runs is finished within [work] stop-within, 30 seconds by default.
TimeoutStopSec=45s
KillSignal=SIGTERM

DynamicUser=yes
StateDirectory=portcullis
StateDirectoryMode=0700
ConfigurationDirectory=portcullis
UMask=0077

CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::UNIT;
    use crate::config::DEFAULT_STORE;

    #[test]
    fn the_unit_gives_the_store_its_place_and_starts_what_there_is() {
        assert!(DEFAULT_STORE.starts_with("/var/lib/portcullis/"));
        for line in UNIT.lines() {
            let known = line.is_empty()
                || line.starts_with(['#', '['])
                || line
                    .split_once('=')
                    .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(known, "{line}");
        }
        assert!(UNIT.contains("StateDirectory=portcullis\n"));
        assert!(UNIT.contains("/portcullis serve\n"));
        assert!(UNIT.contains(crate::config::load::DEFAULT_PATH));
    }
}
