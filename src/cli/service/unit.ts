/** What a service is made of. Paths are absolute. */
export type Service = {
  /** `user`: for the person who is signed in; `system`: from the machine's start */
  scope: 'user' | 'system';
  /** which npm command it stands for */
  command: 'serve' | 'start';
  node: string;
  project: string;
  /** whose rights a system service has; null for a user's own */
  runAs: string | null;
  /** where launchd's log goes; systemd's goes to the journal, which rotates by itself */
  logFile: string;
};

/** The name of the service for both systems. */
export const SERVICE_NAME = 'mana-edge';
export const LAUNCHD_LABEL = 'org.mana-edge.runner';

/**
 * A systemd unit (systemd.service(5)). A stop is a drain, which takes up to 16 s.
 */
export function systemdUnit(service: Service): string {
  const script = `${service.project}/scripts/${service.command}.ts`;
  return `[Unit]
Description=mana-edge: background missions (npm ${service.command === 'start' ? 'start' : 'run serve'})
Wants=network-online.target
After=network-online.target postgresql.service
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory=${escapeSpecifiers(service.project)}
ExecStart=${quoted(service.node)} ${quoted(script).replaceAll('$', '$$$$')}
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=true
${service.runAs === null ? '' : `User=${service.runAs}\n`}
[Install]
WantedBy=${service.scope === 'user' ? 'default.target' : 'multi-user.target'}
`;
}

/** systemd reads % as the start of a specifier. */
function escapeSpecifiers(path: string): string {
  return path.replaceAll('%', '%%');
}

/**
 * systemd.syntax(7), "Quoting". In arguments, not in the program's own path, $ names a variable.
 */
function quoted(word: string): string {
  return `"${escapeSpecifiers(word).replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/**
 * A property list for launchd (launchd.plist(5)); the log is rotated by the program that it starts.
 */
export function launchdPlist(service: Service): string {
  const program = [
    service.node,
    `${service.project}/scripts/process/logged.ts`,
    service.logFile,
    `${service.project}/scripts/${service.command}.ts`,
  ];
  const user = service.runAs === null ? '' : pair('UserName', text(service.runAs));
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
${pair('Label', text(LAUNCHD_LABEL))}${pair('ProgramArguments', `<array>${program.map(text).join('')}</array>`)}${pair('WorkingDirectory', text(service.project))}${pair('RunAtLoad', '<true/>')}${pair('KeepAlive', '<true/>')}${pair('ThrottleInterval', '<integer>5</integer>')}${pair('ExitTimeOut', '<integer>30</integer>')}${pair('Umask', '<integer>63</integer>')}${user}</dict>
</plist>
`;
}

function pair(key: string, value: string): string {
  return `  <key>${key}</key>\n  ${value}\n`;
}

function text(value: string): string {
  const escaped = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<string>${escaped}</string>`;
}
