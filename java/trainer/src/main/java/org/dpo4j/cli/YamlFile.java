package org.dpo4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Set;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.events.AliasEvent;
import org.yaml.snakeyaml.events.Event;
import org.yaml.snakeyaml.events.NodeEvent;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.reader.StreamReader;
import org.yaml.snakeyaml.scanner.ScannerImpl;

/** Reads a file of one YAML 1.1 document into nodes, whose values keep the text of the file. */
final class YamlFile {
    private static final int MAX_BYTES = 1 << 20;

    /** Beginnings of the parser's messages, and our words for them. */
    private static final String[][] PROBLEMS = {
        {"found character '\\t", "a tab stands where spaces belong; indent with spaces"},
        {"found character '\t", "a tab stands where spaces belong; indent with spaces"},
        {"found character '%", "a value begins with %; quote it"},
        {"found character '@", "a value begins with @; quote it"},
        {"found character '`", "a value begins with `; quote it"},
        {"found unknown escape character", "a value in double quotes has a \\ that begins no escape; use single quotes"
        },
        {"expected escape sequence of", "a value in double quotes has a \\ that begins no escape; use single quotes"},
        {"sequence entries are not allowed here", "a list begins after a name; begin it on a line of its own"},
        {"found undefined alias", "an alias (*name) stands before its anchor (&name), or has none"},
        {"found unexpected end of stream", "a quoted value has no closing quote"},
        {"mapping values are not allowed here", "there is a second ': ' in a line; quote the value"},
        {"could not find expected ':'", "a line has no ': '; write option: value"},
        {"while scanning a simple key", "a line has no ': '; write option: value"},
        {"expected ',' or ']'", "a list has no closing ]"},
        {"expected ',' or '}'", "a mapping has no closing }"},
        {"expected <block end>", "a line is indented differently from the lines above, or text follows a closing quote"
        },
        {"expected <document start>", "a line follows the end of the document"},
        {"expected alphabetic or numeric", "a value begins with * or &; quote it"},
        {"Global tag is not allowed", "a value has a tag (!!name); leave the tag out"}
    };

    static {
        ScannerImpl.ESCAPE_REPLACEMENTS.put('/', "/"); // YAML 1.2 has "\\/", and PyYAML reads it
    }

    private YamlFile() {}

    /** The root of the document. Throws if there is none, or more than one. */
    static Node read(Path file) {
        String text = text(file);
        checkCharacters(file, text);
        if (FileFormat.isMergeConflict(text)) {
            throw new Dpo4jException("config " + file + " is " + FileFormat.MERGE_CONFLICT.description() + "; "
                    + FileFormat.MERGE_CONFLICT.remedy());
        }
        try {
            Iterator<Node> documents = new Yaml(new SafeConstructor(new LoaderOptions()))
                    .composeAll(new StringReader(text))
                    .iterator();
            if (!documents.hasNext()) {
                throw new Dpo4jException("config " + file + " is empty; write one option: value a line");
            }
            Node root = documents.next();
            if (documents.hasNext()) {
                throw new Dpo4jException("config " + file + " holds a second document after ---; write one");
            }
            checkAnchors(file, text);
            return root;
        } catch (MarkedYAMLException e) {
            int line = e.getProblemMark() == null ? 1 : e.getProblemMark().getLine() + 1;
            throw new Dpo4jException(
                    "config " + file + " line " + line + " is not valid YAML: " + words(String.valueOf(e.getProblem())),
                    e);
        } catch (YAMLException e) { // one of the parser's limits
            throw new Dpo4jException(
                    "config " + file + " nests or repeats lists and mappings too often for a file of options", e);
        }
    }

    /** Throws if an anchor is defined twice, as PyYAML does. In YAML's specification the later definition wins. */
    private static void checkAnchors(Path file, String text) {
        Set<String> anchors = new HashSet<>();
        for (Event event : new Yaml().parse(new StringReader(text))) {
            boolean isAnchored =
                    event instanceof NodeEvent node && !(node instanceof AliasEvent) && node.getAnchor() != null;
            if (isAnchored && !anchors.add(((NodeEvent) event).getAnchor())) {
                throw new Dpo4jException(
                        "config " + file + " line " + (event.getStartMark().getLine() + 1) + " has the anchor &"
                                + ((NodeEvent) event).getAnchor() + " again; give each a name of its own");
            }
        }
    }

    private static String words(String problem) {
        for (String[] known : PROBLEMS) {
            if (problem.startsWith(known[0])) {
                return known[1];
            }
        }
        return "write option: value";
    }

    private static String text(Path file) {
        try (InputStream in = InputFile.open(file, "a file of options")) {
            byte[] bytes = in.readNBytes(MAX_BYTES + 1);
            if (bytes.length > MAX_BYTES) {
                throw new Dpo4jException("config " + file + " is larger than 1 MiB; give a file of options");
            }
            return decode(file, bytes);
        } catch (IOException e) {
            throw new Dpo4jException("config " + file + " cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private static String decode(Path file, byte[] bytes) {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        CoderResult result = decoder.decode(in, out, true);
        String text = out.flip().toString();
        if (result.isError()) {
            throw new Dpo4jException("config " + file + " line " + lineAt(text, text.length())
                    + " is not UTF-8; save the file as UTF-8");
        }
        return text.startsWith("\ufeff") ? text.substring(1) : text;
    }

    private static void checkCharacters(Path file, String text) {
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            if (!StreamReader.isPrintable(text.codePointAt(i))) {
                throw new Dpo4jException(String.format(
                        "config %s line %d holds the control character U+%04X; remove it",
                        file, lineAt(text, i), text.codePointAt(i)));
            }
        }
    }

    private static int lineAt(String text, int end) {
        return 1 + (int) text.substring(0, end).chars().filter(c -> c == '\n').count();
    }
}
