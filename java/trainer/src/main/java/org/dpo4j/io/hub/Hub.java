package org.dpo4j.io.hub;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Downloads repositories of the Hugging Face hub into the cache that {@link HubCache} reads, as huggingface_hub does, so that
 * its users find them there too. It obeys the variables of {@code huggingface_hub/constants.py}.
 */
public final class Hub {
    private static final int MAX_ANSWER_BYTES = 64 << 20;
    private static final int MAX_PAGES = 1000;
    private static final Pattern NEXT = Pattern.compile(".*<([^>]+)>\\s*;[^,]*rel=\"?next\"?.*");

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(64).build())
                    .build())
            .build();

    private final HubSnapshot.Download download;

    /** Chooses files of a commit, and fetches them. */
    @FunctionalInterface
    public interface Selection {
        void fetch(HubSnapshot snapshot);
    }

    private Hub(HubSnapshot.Download download) {
        this.download = download;
    }

    /** The hub that the environment of this process names. */
    public static Hub open(HubListener listener) {
        return in(
                HubSettings.find(System.getenv()),
                listener,
                Waiting.SLEEP,
                directory -> Files.getFileStore(directory).getUsableSpace());
    }

    static Hub in(HubSettings settings, HubListener listener, Waiting waiting, HubSnapshot.FreeSpace space) {
        HubCache cache = new HubCache(settings.cache(), settings.isOffline());
        return new Hub(
                new HubSnapshot.Download(settings, new HubHttp(settings, listener), cache, listener, waiting, space));
    }

    /** The cache that receives the files. */
    public HubCache cache() {
        return download.cache();
    }

    /**
     * Downloads files of a repository that the cache does not have. If the hub cannot be reached, or {@code HF_HUB_OFFLINE}
     * is set, what the cache has is kept, and the listener is told.
     */
    public void download(HubRepository repository, Selection selection) {
        HubListener listener = download.listener();
        if (download.settings().isOffline()) {
            listener.notice("HF_HUB_OFFLINE is set, so " + repository + " is not downloaded");
            return;
        }
        download.settings().requireSecret();
        boolean isHere = cache().hasSnapshot(repository); // then a hub that does not answer is no reason to wait
        HubSnapshot snapshot;
        try {
            snapshot = snapshot(repository, isHere ? 0 : Retries.MAX);
        } catch (UnreachableException e) {
            if (!isHere) {
                throw new Dpo4jException(repository + ": " + e.getMessage(), e);
            }
            listener.notice(repository + ": " + e.getMessage() + "; what the cache has of it is used");
            return;
        }
        selection.fetch(snapshot);
        snapshot.refer();
    }

    private HubSnapshot snapshot(HubRepository repository, int retries) throws UnreachableException {
        boolean isCommit = HubRepository.isCommit(repository.revision());
        String commit = isCommit ? repository.revision() : commit(repository, retries);
        HubListing listing = cache().listing(repository, commit);
        if (listing == null) {
            listing = HubListing.listing(files(repository, commit, retries));
            Path file = cache().listingFile(repository, commit);
            try {
                OutputFile.makeDirectory(Objects.requireNonNull(file.getParent()));
                tag();
            } catch (IOException e) {
                throw HubErrors.unwritten(file, e);
            }
            listing.write(file);
        }
        return new HubSnapshot(repository, commit, listing, download);
    }

    /** Marks the cache as one, so that backups leave it out (bford.info/cachedir). */
    private void tag() throws IOException {
        Path tag = cache().directory().resolve("CACHEDIR.TAG");
        if (!Files.exists(tag)) {
            Files.writeString(
                    tag,
                    "Signature: 8a477f597d28d172789f06886806bc55\n# This is a cache of files of the Hugging"
                            + " Face hub, which can be downloaded again.\n");
        }
    }

    private String commit(HubRepository repository, int max) throws UnreachableException {
        Page page = page(repository, addresses(repository).revision(), max);
        String commit = page.json.path("sha").asText();
        if (!HubRepository.isCommit(commit)) {
            throw new Dpo4jException(repository + ": " + download.settings().endpoint()
                    + " does not say which commit it is at; check HF_ENDPOINT");
        }
        return commit;
    }

    private List<HubFile> files(HubRepository repository, String commit, int max) throws UnreachableException {
        List<HubFile> files = new ArrayList<>();
        URI next = addresses(repository).tree(commit);
        for (int pages = 0; next != null; pages++) {
            if (pages == MAX_PAGES) {
                throw new Dpo4jException(
                        repository + " has more files than dpo4j lists; download it with: " + repository.command());
            }
            Page page = page(repository, next, max);
            for (JsonNode entry : page.json) {
                if (entry.path("type").asText().equals("file")) {
                    files.add(HubFile.parse(entry));
                }
            }
            next = page.next;
        }
        return files;
    }

    private HubAddresses addresses(HubRepository repository) {
        return new HubAddresses(download.settings().endpoint(), repository);
    }

    /** An answer in JSON, and where it goes on. */
    private record Page(JsonNode json, @Nullable URI next) {}

    private Page page(HubRepository repository, URI uri, int max) throws UnreachableException {
        HubSettings settings = download.settings();
        Retries retries = new Retries(settings.endpoint().getHost(), download.waiting(), download.listener(), max);
        while (true) {
            try (HubHttp.Answer answer = download.http().get(repository, uri, 0)) {
                byte[] body = answer.body().all(MAX_ANSWER_BYTES, settings.dataLimit(), download.listener());
                Matcher next = NEXT.matcher(answer.headers().firstValue("Link").orElse(""));
                return new Page(JSON.readTree(body), next.matches() ? uri.resolve(next.group(1)) : null);
            } catch (JsonProcessingException e) {
                throw new Dpo4jException(
                        repository + ": " + uri
                                + " is not answered in JSON, as the hub does; check HF_ENDPOINT, and proxies"
                                + " between here and the hub",
                        e);
            } catch (IOException e) {
                retries.failed(e);
            }
        }
    }
}
