"""A mutation fuzzer for every route: valid requests, spoilt in many ways, sent to a real server over sockets; every answer judged."""
