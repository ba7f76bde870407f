"""The leak hunter: it knows every value in a home, and looks for them in all that left it.

It was written from what the firewall promises, not from how it keeps that: of the engine it uses
what a household uses (`Firewall`, and the values that go in), and a test sees to it that it stays
so. Its parts, from the inside out:

* `canaries`: values of which each is unlike every other;
* `search`: finds them in bytes, in every encoding that somebody here could think of;
* `reports`: what appliances send, in eight formats, and where in it each value stands;
* `tricks`: what hostile appliances, broken ones and strangers send;
* `model`: what the household gave, and so what may be in a message when it leaves;
* `wire`: clouds and a resolver that keep every byte, and callers;
* `structure`: what a message has members of, for what cannot be looked for by its value;
* `hunter`: goes on with all of that, in a random order that a seed repeats.

What counts as a leak: a canary that reached a cloud or the resolver though the household had not
given it to all who receive there, or had taken it back before that byte left; a place in a message
(a switch, a small number) of which the same is true; a name asked of the resolver that nothing
allows. The firewall's own log is searched too.

What does not count, because nothing promises it:

* what a granted data point says by itself. An appliance may put anything into a text that was
  given; only identities are looked for there, as they stand and in one layer of hexadecimal,
  base64, URL- or JSON-escapes; and not where an identity was given, for that one is then given as
  the identity of that place;
* that a message was sent, when, how large it is, in which order, with how many elements;
* a value made coarse, and a constant in the place of one;
* names of members and segments on the way to a data point that was given: they are its name;
* what anybody sends from an address or with a token that is all by which an appliance is known;
* names asked by whoever is no appliance: the gate serves those.
"""
