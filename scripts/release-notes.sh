#!/usr/bin/env bash
# Prints the notes of a release: its section of the changelog, and how to check what is downloaded. scripts/release-notes.sh 1.2.3
#
# IMAGE, DIGEST, GITHUB_SERVER_URL and GITHUB_REPOSITORY are the workflow's.
set -euo pipefail
cd "$(dirname "$0")/.."

section=$(awk -v "heading=## [$1]" 'index($0, heading) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md)
[ -n "$section" ] || { echo "release-notes: CHANGELOG.md has no section $1" >&2 && exit 1; }
repository=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-OWNER/livekit-presence}
image=${IMAGE:-ghcr.io/OWNER/livekit-presence}
# Links in the changelog are from the root of the repository.
for folder in docs deploy clients; do section=${section//"]($folder/"/"]($repository/blob/v$1/$folder/"}; done
cat <<END
$section

### Check what you download

\`\`\`sh
signer='--certificate-oidc-issuer https://token.actions.githubusercontent.com --certificate-identity $repository/.github/workflows/release.yml@refs/tags/v$1'
cosign verify-blob --bundle SHA256SUMS.sigstore.json \$signer SHA256SUMS && sha256sum --check --ignore-missing SHA256SUMS
cosign verify \$signer ${image,,}@${DIGEST:-sha256:…}
\`\`\`
END
