#!/bin/sh
# Replaces the servers one at a time, after you have put the new code in place. Run it as root. If a new server does not
# become ready, the script stops, and the other servers go on with the old code.
set -eu
config=/etc/nginx/conf.d/keep-logged-in.conf

# After a run that has failed, the server that it has left down goes first: all users are on the other one.
ports='3000 3001'
if grep -q 'server 127.0.0.1:3001 .* down;' "$config"; then ports='3001 3000'; fi

for port in $ports; do
  sed -i "/server 127.0.0.1:$port /s/\( down\)*;/ down;/" "$config" # nginx sends it no more requests
  systemctl reload nginx
  systemctl restart "keep-logged-in@$port" # waits: the old server drains, and ends
  curl --fail --silent --output /dev/null --retry 30 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$port/ready"
  sed -i "/server 127.0.0.1:$port /s/\( down\)*;/;/" "$config"
  systemctl reload nginx
done
