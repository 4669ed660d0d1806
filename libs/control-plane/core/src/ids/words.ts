/** The words that ids are made of: short, common, lower case, none of them unkind. */
export const ADJECTIVES = (
  'able amber ample ancient aged autumn balmy bold brave breezy brief bright brisk broad calm clear clever cold cool ' +
  'crisp curious damp dark dawn deep delicate divine dry eager early empty even fair fancy fast fine firm flat floral ' +
  'fresh frosty gentle glad golden grand gray green happy hardy hidden holy icy jolly keen kind late lively long lucky ' +
  'mellow mild misty morning mute narrow neat noble odd old open orange pale patient plain polite proud purple quick ' +
  'quiet rapid red restless rough round royal shiny shy silent small snowy soft solitary sparkling spring steep still ' +
  'summer sweet tiny twilight weathered white wild winter wispy withered yellow young'
).split(' ');

export const NOUNS = (
  'acorn art band bar base basin bay bird block boat bonus bread breeze brook bush butterfly cake cell cherry cloud ' +
  'credit darkness dawn dew disk dream dust feather field fire firefly flower fog forest frog frost glade glitter grass ' +
  'hall hat haze heart hill king lab lake leaf limit math meadow mode moon morning mountain mouse mud night paper pebble ' +
  'pine poetry pond prairie queen rain recipe resonance rice river salad scene sea shadow shape silence sky smoke snow ' +
  'snowflake sound star sun sunset surf term thunder tooth tree truth union unit valley violet voice water waterfall ' +
  'wave wildflower wind wood'
).split(' ');
