"""Cohere's clients, the older and the newer, against the gateway's rankings:
`rerank_client.py ROOT KEY` fails when one of them is not content.
"""

import sys

import cohere

DOCUMENTS = ["a cat", "the capital"]

root, key = sys.argv[1:]
for client in (cohere.Client, cohere.ClientV2):
    asked = {"query": "where is the capital", "documents": DOCUMENTS, "top_n": 1}
    answer = client(api_key=key, base_url=root).rerank(model="cohere", **asked)
    assert [result.index for result in answer.results] == [1], (client, answer)
