// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Ruler;

/** AWS's own matcher: reads lines of pattern TAB event, prints "yes", "no" or "refused". */
public final class RulerOracle {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            int tab = line.indexOf('\t');
            try {
                out.println(Ruler.matchesRule(line.substring(tab + 1), line.substring(0, tab)) ? "yes" : "no");
            } catch (Exception e) {
                out.println("refused");
            }
        }
        out.flush();
    }
}
