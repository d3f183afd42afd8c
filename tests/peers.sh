#!/usr/bin/env bash
# Installs the servers that Tandem is tested against, from Debian's packages: Redis 7.0 of this release, and from sid, in a folder of
# their own, Valkey 9 and Redis 8. Prints the folder of their commands. Needs root; does nothing where everything is there.
# Usage: tests/peers.sh [FOLDER]       (default: $PEERS, or ~/.cache/tandem-peers)
set -euo pipefail
folder=${1:-${PEERS:-$HOME/.cache/tandem-peers}}
tree=$folder/sid
sudo=""; [[ $(id -u) == 0 ]] || sudo=sudo

packages=()
lacks() { ! command -v "$1" >/dev/null; }
lacks redis-server && packages+=(redis-server redis-tools)
lacks redis-sentinel && packages+=(redis-sentinel)
lacks debootstrap && packages+=(debootstrap)
lacks openssl && packages+=(openssl)
lacks ip && packages+=(iproute2)
lacks iptables && packages+=(iptables)
/usr/bin/python3 -c 'import redis' 2>/dev/null || packages+=(python3-redis)
NODE_PATH=/usr/share/nodejs node -e "require('redis')" 2>/dev/null || packages+=(nodejs node-redis)
if ((${#packages[@]})); then
  $sudo apt-get update -q >&2
  # What is installed must not start a server on port 6379.
  printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
  $sudo chmod +x /usr/sbin/policy-rc.d
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q "${packages[@]}" >&2
  $sudo rm -f /usr/sbin/policy-rc.d
fi

if [[ ! -x $tree/usr/bin/valkey-server || ! -x $tree/usr/bin/redis-server ]]; then
  # From wherever this machine has its packages.
  mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1)
  [[ -n $mirror ]] || mirror=$(sed -n 's/^deb \(\[.*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -1)
  $sudo rm -rf "$tree"
  mkdir -p "$tree"
  $sudo debootstrap --variant=minbase \
    --include=valkey-server,valkey-tools,valkey-sentinel,redis-server,redis-tools,redis-sentinel \
    sid "$tree" "$mirror" >"$folder/debootstrap.log" 2>&1 || { tail "$folder/debootstrap.log" >&2; exit 1; }
fi

# Each command starts the program of sid with the loader and the libraries of sid.
mkdir -p "$folder/bin"
for pair in valkey-{server,cli,benchmark,sentinel,check-rdb,check-aof} redis8-{server,cli,benchmark,sentinel,check-rdb,check-aof}; do
  program=$tree/usr/bin/${pair/redis8/redis}
  printf '#!/bin/sh\nexec "%s" --argv0 %s --library-path "%s" "%s" "$@"\n' \
    "$tree/lib64/ld-linux-x86-64.so.2" "$pair" "$tree/usr/lib/x86_64-linux-gnu" "$program" >"$folder/bin/$pair"
  chmod +x "$folder/bin/$pair"
done
echo "$folder/bin"
