package org.dpo4j.io.hub;

/** Names from the hub that become paths on this machine. A hostile repository could otherwise name files outside of it. */
final class SafePath {
    private static final int MAX_LENGTH = 1024;

    private SafePath() {}

    /**
     * Whether a name with slashes stays inside the directory that it is resolved against, on Windows too: it has neither
     * empty parts nor {@code .} or {@code ..}, no backslash, drive or control character.
     */
    static boolean isRelative(String name) {
        if (name.isEmpty() || name.length() > MAX_LENGTH) {
            return false;
        }
        for (String part : name.split("/", -1)) {
            boolean isPlain =
                    !part.isEmpty() && !part.equals(".") && !part.equals("..") && !part.matches("[A-Za-z]:.*");
            if (!isPlain) {
                return false;
            }
        }
        return name.chars().noneMatch(c -> c == '\\' || Character.isISOControl(c));
    }
}
