"""A cluster: servers that share their clients. What it needs of a broker is a Bus.

| module | |
|---|---|
| bus | Bus: what carries messages between servers; a base class, also of an application's own |
| server | Cluster: one server in its cluster; made of asking and elsewhere |
| adapter | ClusterAdapter: a namespace whose clients are on several servers |
| asking, requests | what other servers are asked, and what they have not answered yet |
| elsewhere | python-socketio's methods for clients that are not here |
| inbox, broken | what other servers' messages do here, and those that are none |
| members | which other servers there are |
| remote | a client of another server, as fetch_sockets() shows it |
"""
